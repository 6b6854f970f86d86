package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"
)

// List is a list of names: trimmed, lower-cased, none empty, in the order in which they were given.
type List []string

// Bytes is an amount of memory or disk. 0 is automatic.
type Bytes int64

// Space is a share of a disk, or an amount; the zero Space is none.
type Space struct {
	Share  float64 // 0.1 is 10 %
	Amount Bytes
}

// Of is the amount on a disk of so many bytes.
func (s Space) Of(total uint64) uint64 {
	if s.Amount > 0 {
		return uint64(s.Amount)
	}
	return uint64(s.Share * float64(total))
}

// String is the space as it is configured.
func (s Space) String() string {
	if s.Amount > 0 {
		return s.Amount.String()
	}
	return strconv.FormatFloat(s.Share*100, 'f', -1, 64) + "%"
}

// String is the amount with the largest unit that divides it.
func (b Bytes) String() string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := Bytes(1) << (40 - 10*i); b != 0 && b%size == 0 {
			return strconv.FormatInt(int64(b/size), 10) + unit
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// parsers are the parsers of all types that variables have. Their errors are whole predicates, to follow
// the quoted value.
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[Secret]():        func(v string) (any, error) { return NewSecret(v), nil },
		reflect.TypeFor[List]():          func(v string) (any, error) { return parseList(v) },
		reflect.TypeFor[Bytes]():         func(v string) (any, error) { return parseBytes(v) },
		reflect.TypeFor[Space]():         func(v string) (any, error) { return parseSpace(v) },
		reflect.TypeFor[bool]():          func(v string) (any, error) { return parseBool(v) },
		reflect.TypeFor[int]():           func(v string) (any, error) { return parseInt(v) },
		reflect.TypeFor[float64]():       func(v string) (any, error) { return parseFloat(v) },
		reflect.TypeFor[time.Duration](): func(v string) (any, error) { return parseDuration(v) },
	}
}

func parseList(v string) (List, error) {
	var list List
	for name := range strings.SplitSeq(v, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("holds no name")
	}
	return list, nil
}

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "1", "yes", "y", "on", "t":
		return true, nil
	case "false", "0", "no", "n", "off", "f":
		return false, nil
	}
	return false, errors.New("is neither true nor false")
}

func parseInt(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, errors.New("is not a whole number")
	}
	return n, nil
}

func parseFloat(v string) (float64, error) {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errors.New("is not a number")
	}
	return n, nil
}

// parseDuration reads Go's notation, and whole days as 7d.
func parseDuration(v string) (time.Duration, error) {
	if v == "0" {
		return 0, nil
	}
	if isNumber(v) {
		return 0, errors.New("has no unit: s, m, h or d")
	}
	if days, ok := strings.CutSuffix(v, "d"); ok && isNumber(days) {
		n, err := strconv.ParseFloat(days, 64)
		if hours := n * 24; err == nil && math.Abs(hours) < math.MaxInt64/float64(time.Hour) {
			return time.Duration(hours * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, errors.New("is not a duration")
	}
	return d, nil
}

// isNumber says whether a value is a decimal number and nothing else.
func isNumber(v string) bool {
	return v != "" && strings.Trim(v, "0123456789.-+") == ""
}

// parseBytes reads a whole or decimal number with an optional unit. As with Docker, k, kb and KiB are all 1024.
func parseBytes(v string) (Bytes, error) {
	number := strings.TrimRight(strings.ToLower(v), "kmgtib ")
	unit := strings.TrimSpace(strings.ToLower(v)[len(number):])
	shift := 0
	if power := strings.IndexAny("kmgt", unit[:min(1, len(unit))]); unit != "" && power >= 0 {
		shift = 10 * (power + 1)
		unit = strings.TrimPrefix(unit[1:], "i")
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !isNumber(number) || unit != "" && unit != "b" {
		return 0, errors.New("is not an amount such as 512m or 4GiB")
	}
	n *= float64(int64(1) << shift)
	if n < 0 || n >= math.MaxInt64 {
		return 0, errors.New("is out of range")
	}
	return Bytes(n), nil
}

func parseSpace(v string) (Space, error) {
	if percent, ok := strings.CutSuffix(v, "%"); ok {
		n, err := parseFloat(strings.TrimSpace(percent))
		if err != nil || n < 0 || n >= 100 {
			return Space{}, errors.New("is not a share from 0% to below 100%")
		}
		return Space{Share: n / 100}, nil
	}
	if v == "0" {
		return Space{}, nil
	}
	amount, err := parseBytes(v)
	if err != nil || isNumber(v) {
		return Space{}, errors.New("is neither a share such as 10% nor an amount such as 5GiB")
	}
	return Space{Amount: amount}, nil
}

// show writes a value as it could be configured. Secrets say only whether they are set.
func show(value any) string {
	switch v := value.(type) {
	case List:
		return strings.Join(v, ",")
	case Bytes:
		if v == 0 {
			return ""
		}
		return v.String()
	case time.Duration:
		return showDuration(v)
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return !strconv.IsPrint(r) }) {
			return strconv.Quote(v)
		}
		return v
	}
	return fmt.Sprint(value)
}

// showDuration leaves out the zeros that Duration.String ends with.
func showDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return "0s"
	case d > day && d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
