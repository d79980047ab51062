package cli

import (
	"testing"
	"time"
)

// FuzzTime: a time that is typed is one of the years that lines have, or is
// refused.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-11-21T14:00", "2026-11-21 14:00:05.5", "14:00", "-2h", "now", "1700000000", "1700000000.5", "-9999999999y", "1e300"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = parseTime(s, now)
	})
}

// FuzzSize: a size that is typed is written so that it is read as about the same.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"5GiB", "500MB", "1048576", "0", "-1", "NaN", "Inf", "1e18", "0x10", ".5kB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b, again byteSize
		if b.Set(s) != nil {
			return
		}
		if b > 1<<62 {
			t.Fatalf("%q is %d", s, uint64(b))
		}
		if b == 0 {
			return
		}
		if err := again.Set(b.String()); err != nil {
			t.Fatalf("%q is written %q, which is not read: %v", s, b.String(), err)
		}
	})
}
