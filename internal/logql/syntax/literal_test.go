package syntax

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParsePromDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "2w": 14 * 24 * time.Hour,
		"1y": 365 * 24 * time.Hour, "1y2w3d4h5m6s7ms": 365*24*time.Hour + 17*24*time.Hour + 4*time.Hour + 5*time.Minute + 6*time.Second + 7*time.Millisecond,
	} {
		if got, err := ParsePromDuration(s); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "1.5s", "-5m", "5m1h", "5m5m", "m", "5 m", "1000000y", "300y", "5µs"} {
		if d, err := ParsePromDuration(s); err == nil {
			t.Errorf("%q is read as %s", s, d)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]uint64{
		"0": 0, "12": 12, "1B": 1, "1kB": 1000, "1KB": 1000, "1.5 MB": 1_500_000, "2KiB": 2048, "1gib": 1 << 30, "1,024B": 1024, "3M": 3_000_000,
	} {
		if got, err := ParseBytes(s); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "B", "1XB", "-1B", "99999EiB", "1.2.3KB"} {
		if b, err := ParseBytes(s); err == nil {
			t.Errorf("%q is read as %d", s, b)
		}
	}
}

func TestParseJSONPath(t *testing.T) {
	key := func(k string) JSONStep { return JSONStep{Key: k, IsKey: true} }
	for s, want := range map[string][]JSONStep{
		`a`:              {key("a")},
		`a[0].b`:         {key("a"), {Index: 0}, key("b")},
		`[12]["x y"][3]`: {{Index: 12}, key("x y"), {Index: 3}},
		`["a.b"]`:        {key("a.b")},
	} {
		got, err := ParseJSONPath(s)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", s, err, diff)
		}
	}
	for _, s := range []string{``, `.a`, `a.`, `a..b`, `a[`, `a[]`, `a[x]`, `a["x]`, `a[1`, `a b`, `[0]b`, `a.b-c`, `été`, `a[99999999999999999999]`} {
		if got, err := ParseJSONPath(s); err == nil {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}
