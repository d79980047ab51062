package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// rangeFlags say which time a question is about.
type rangeFlags struct {
	since    span
	from, to string
	both     func() bool // --since and --from were given
}

func (f *rangeFlags) add(cmd *cobra.Command, since time.Duration) {
	f.since = span(since)
	fs := cmd.Flags()
	fs.Var(&f.since, "since", "how far to look back, like 90s, 2h, 7d")
	fs.StringVar(&f.from, "from", "", "begin here instead: 2026-11-21T14:00, \"2026-11-21 14:00:05.5\", 14:00, -2h, Unix seconds")
	fs.StringVar(&f.to, "to", "", "end here, as --from (default now)")
	f.both = func() bool { return fs.Changed("since") && fs.Changed("from") }
}

// window returns the half-open range of time that the flags mean.
func (f *rangeFlags) window(now time.Time) (start, end time.Time, err error) {
	if f.both() {
		return start, end, usagef("--since and --from both say where to begin: give one of them")
	}
	// The end is excluded, a line logged this very moment is not.
	end = now.Add(time.Nanosecond)
	if f.to != "" {
		if end, err = parseTime(f.to, now); err != nil {
			return start, end, usagef("--to %s", err)
		}
	}
	start = end.Add(-time.Duration(f.since))
	if f.from != "" {
		if start, err = parseTime(f.from, now); err != nil {
			return start, end, usagef("--from %s", err)
		}
	}
	if !start.Before(end) {
		return start, end, usagef("nothing lies between %s and %s: the end must be later than the begin",
			start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	return start, end, nil
}

var timeLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// parseTime reads a time as a user types it; without a zone it is local, without
// a date it is today's.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if back, ok := strings.CutPrefix(strings.TrimPrefix(s, "now"), "-"); ok {
		if d, err := parseSpan(back); err == nil {
			return now.Add(-d), nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) >= 9 {
		switch {
		case len(s) <= 11:
			return time.Unix(n, 0), nil
		case len(s) <= 14:
			return time.UnixMilli(n), nil
		default:
			return time.Unix(0, n), nil
		}
	}
	// Ray writes a comma before the fraction; Go's layouts take both.
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: want one like 2026-11-21T14:00, 14:00:05, -2h or now", s)
}

// span is a duration that may also be given in days and weeks.
type span time.Duration

func (d *span) Type() string { return "duration" }

func (d *span) Set(s string) error {
	v, err := parseSpan(s)
	if err != nil {
		return err
	}
	if v <= 0 {
		return fmt.Errorf("%q is not longer than nothing", s)
	}
	*d = span(v)
	return nil
}

func (d *span) String() string {
	t := time.Duration(*d)
	switch {
	case t == 0:
		return ""
	case t%(24*time.Hour) == 0:
		return strconv.Itoa(int(t/(24*time.Hour))) + "d"
	case t%time.Hour == 0:
		return strconv.Itoa(int(t/time.Hour)) + "h"
	case t%time.Minute == 0:
		return strconv.Itoa(int(t/time.Minute)) + "m"
	}
	return t.String()
}

// parseSpan reads 90s, 1h30m, 7d, 2w; weeks and days come first.
func parseSpan(s string) (time.Duration, error) {
	var total time.Duration
	rest := s
	for _, unit := range []struct {
		suffix string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		if head, tail, ok := strings.Cut(rest, unit.suffix); ok {
			n, err := strconv.ParseFloat(head, 64)
			if err != nil || n < 0 || n > 36500 {
				return 0, fmt.Errorf("%q is no duration: want one like 90s, 2h30m or 7d", s)
			}
			total += time.Duration(n * float64(unit.length))
			rest = tail
		}
	}
	if rest == "" && s != "" {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: want one like 90s, 2h30m or 7d", s)
	}
	return total + d, nil
}
