package syntax

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

type promUnit struct {
	name string
	d    time.Duration
}

// promUnits are the units of a Prometheus duration in the order they must have.
var promUnits = []promUnit{
	{"y", 365 * 24 * time.Hour},
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
	{"ms", time.Millisecond},
}

var errDurationRange = errors.New("duration out of range")

// ParsePromDuration reads a duration as Prometheus writes it: whole numbers with
// units y w d h m s ms, each unit once and from the largest down; also "0".
func ParsePromDuration(s string) (time.Duration, error) {
	switch s {
	case "0":
		return 0, nil
	case "":
		return 0, errors.New("empty duration string")
	}
	var total time.Duration
	next := 0
	for rest := s; rest != ""; {
		n := 0
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		u := n
		for u < len(rest) && !digit(rest[u]) {
			u++
		}
		v, err := strconv.ParseUint(rest[:n], 10, 64)
		if err != nil || u == n {
			return 0, fmt.Errorf("not a valid duration string: %q", s)
		}
		i := slices.IndexFunc(promUnits, func(unit promUnit) bool { return unit.name == rest[n:u] })
		switch {
		case i < 0:
			return 0, fmt.Errorf("unknown unit %q in duration %q", rest[n:u], s)
		case i < next:
			return 0, fmt.Errorf("not a valid duration string: %q", s)
		case v > uint64(math.MaxInt64/promUnits[i].d):
			return 0, errDurationRange
		}
		total += time.Duration(v) * promUnits[i].d
		if total < 0 {
			return 0, errDurationRange
		}
		next, rest = i+1, rest[u:]
	}
	return total, nil
}

// parseDuration reads a duration literal: Prometheus' syntax, else Go's.
func parseDuration(s string) (time.Duration, error) {
	if digit(s[len(s)-1]) {
		return 0, errors.New("no unit")
	}
	if d, err := ParsePromDuration(s); err == nil {
		return d, nil
	}
	return time.ParseDuration(s)
}

var byteUnits = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9,
	"t": 1e12, "tb": 1e12, "p": 1e15, "pb": 1e15, "e": 1e18, "eb": 1e18,
	"ki": 1 << 10, "kib": 1 << 10, "mi": 1 << 20, "mib": 1 << 20, "gi": 1 << 30, "gib": 1 << 30,
	"ti": 1 << 40, "tib": 1 << 40, "pi": 1 << 50, "pib": 1 << 50, "ei": 1 << 60, "eib": 1 << 60,
}

// ParseBytes reads a size: a number, then perhaps a space, then perhaps a unit
// of any case: B, kB, MB … are powers of 1000, KiB, MiB … of 1024.
func ParseBytes(s string) (uint64, error) {
	n := 0 // characters, which are bytes unless they are digits of other scripts: those fail
	for _, r := range s {
		if !unicode.IsDigit(r) && r != '.' && r != ',' {
			break
		}
		n++
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s[:n], ",", ""), 64)
	if err != nil {
		return 0, err
	}
	unit := strings.ToLower(strings.TrimSpace(s[n:]))
	size, ok := byteUnits[unit]
	if !ok {
		return 0, fmt.Errorf("unhandled size name: %s", unit)
	}
	v *= size
	if v >= math.MaxUint64 {
		return 0, fmt.Errorf("too large: %s", s)
	}
	return uint64(v), nil
}

// FormatDuration writes d as Prometheus does: 30d1h.
func FormatDuration(d time.Duration) string { return formatPromDuration(d) }

// formatPromDuration writes d so that ParsePromDuration reads it again: 1h30m.
func formatPromDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for i, u := range promUnits {
		// Years and weeks only where they come out even: 90d reads better than 12w6d.
		if i < 2 && d%u.d != 0 {
			continue
		}
		if n := d / u.d; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.d
		}
	}
	return b.String()
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
