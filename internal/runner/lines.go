package runner

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine bounds a line of the agent's output, in bytes; what is longer is cut.
const maxLine = 10 << 20

// readLines hands each line of r to line, without its newline and cut at limit, until r ends. The slice is line's
// to keep.
func readLines(r io.Reader, limit int, line func([]byte)) {
	in := bufio.NewReaderSize(r, 64<<10)
	var buf []byte
	for {
		part, err := in.ReadSlice('\n')
		part = bytes.TrimSuffix(part, []byte("\n"))
		buf = append(buf, part[:min(len(part), limit-len(buf))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			if len(buf) > 0 {
				line(buf)
			}
			return
		}
		line(buf)
		buf = nil
	}
}
