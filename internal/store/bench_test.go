package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"
)

// BenchmarkAccept measures durable acknowledgements with 1 to 256 callers at once.
func BenchmarkAccept(b *testing.B) {
	body := bytes.Repeat([]byte(`{"a":"0123456789abcdef"},`), 8192/25)
	for _, callers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s, err := Open(context.Background(), b.TempDir(), Options{Log: zerolog.Nop()})
			must(b, err)
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism((callers + 1) / 2)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					d := delivery(fmt.Sprintf("%08x-guid-guid-guid-0123456789ab", n.Add(1)*2654435761&0xffffffff))
					d.Body = body
					if _, err := s.Accept(context.Background(), d); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
		})
	}
}

// BenchmarkOpen measures a start with 100,000 queued tasks, to the first list of what to run.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{Log: zerolog.Nop()})
	must(b, err)
	text, err := json.Marshal(asked("key", 1, strings.Repeat("a long text ", 150)))
	must(b, err)
	must(b, do1(ctx, s.writer, "fill", func(t *tx) error {
		for _, statement := range []string{
			`INSERT INTO threads (id, repo_id, number, test) WITH RECURSIVE n (i) AS
				(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i, i % 50 + 1, i, 0 FROM n`,
			`INSERT INTO tasks (id, thread, repo_id, test, branch, state, queued_at)
				SELECT 'task' || id, id, repo_id, 0, 'b', 'queued', 1 FROM threads`,
			`INSERT INTO requests (task, data) SELECT id, '` + string(text) + `' FROM tasks`,
			`INSERT INTO effects (task, repo_id, kind, key, next_at, created_at) SELECT id, repo_id, 'reaction', 'k', 1, 1 FROM tasks`,
		} {
			if _, err := t.exec(statement); err != nil {
				return err
			}
		}
		return nil
	}))
	must(b, s.Close())
	for b.Loop() {
		s, err := Open(ctx, dir, Options{Log: zerolog.Nop()})
		must(b, err)
		tasks, err := s.Runnable(ctx, 8)
		must(b, err)
		effects, err := s.DueEffects(ctx, 8)
		must(b, err)
		equal(b, "work", len(tasks)+len(effects), 16)
		b.StopTimer()
		must(b, s.Close())
		b.StartTimer()
	}
}
