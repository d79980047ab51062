package syntax

import (
	"testing"
	"time"
)

// FuzzDuration: what is read is written so that it is read as the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"0", "1h30m", "1y2w3d", "5ms", "1.5s", "-3m", "9223372036854775807ms", "1s1s", "µs", "1d12h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParsePromDuration(s); err == nil {
			if d < 0 {
				t.Fatalf("%q is %d", s, d)
			}
			again, err := ParsePromDuration(FormatDuration(d))
			if err != nil || again/time.Millisecond != d/time.Millisecond {
				t.Fatalf("%q is %s, written %q, which is %s (%v)", s, d, FormatDuration(d), again, err)
			}
		}
		if s != "" {
			_, _ = parseDuration(s)
		}
	})
}

// FuzzLiterals: sizes, addresses, paths and keys are read or refused.
func FuzzLiterals(f *testing.F) {
	for _, s := range []string{"5KiB", "1,5 MB", ".", "1e5", "10.0.0.1-10.0.0.9", "::1/64", "a.b[0]", `["x y"].c`, "[", "a..b", `{a="b"}`} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = ParseBytes(s)
		if r, err := ParseIP(s); err == nil {
			_ = r.V6()
		}
		_, _ = ParseJSONPath(s)
		_, _ = ParseLogfmtKey(s)
		_, _ = ParseSelector(s)
	})
}
