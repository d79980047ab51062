package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// byteSize is a flag like 5GiB, 500MB, 1048576.
type byteSize uint64

var byteUnits = []struct {
	suffix string
	factor uint64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

func (b *byteSize) Type() string { return "size" }

func (b *byteSize) Set(s string) error {
	number, factor := s, uint64(1)
	for _, u := range byteUnits {
		if head, ok := strings.CutSuffix(s, u.suffix); ok {
			number, factor = strings.TrimSpace(head), u.factor
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v*float64(factor) <= 1<<62) { // also no number that is none
		return fmt.Errorf("%q is no size: want one like 5GiB or 500MB", s)
	}
	*b = byteSize(v * float64(factor))
	return nil
}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return sizeText(uint64(*b))
}

// sizeText writes bytes for people: 512 B, 14.2 KiB, 1.0 GiB.
func sizeText(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		v /= 1024
		if v < 1024 || unit == "TiB" {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	panic("unreachable")
}

// countText writes a count with thin grouping: 1,234,567.
func countText[T ~int | ~int64 | ~uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count of things: 1 file, 1,234 files.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return countText(n) + " " + thing + "s"
}
