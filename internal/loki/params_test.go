package loki

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
)

// noon is a round number of seconds: 1795262400.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestParseTime(t *testing.T) {
	for text, want := range map[string]int64{
		"1795262400":                     1795262400e9,
		"9223372036":                     9223372036e9,
		"1795262400000000001":            1795262400000000001,
		"17952624000":                    17952624000, // eleven digits are nanoseconds
		"1795262400.5":                   1795262400_500_000_000,
		"1795262400.1239":                1795262400_124_000_000,
		"0.9999":                         1e9,
		"-1.5":                           -1_500_000_000,
		"0":                              0,
		"-5":                             -5e9,
		"2026-11-21T12:00:00Z":           1795262400e9,
		"2026-11-21T13:00:00.25+01:00":   1795262400_250_000_000,
		"2026-11-21T12:00:00.000000001Z": 1795262400_000_000_001,
	} {
		if got, err := ParseTime(text); err != nil || got != want {
			t.Errorf("%s: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "now", "1e400.", "99999999999.5", "9999999999", "99999999999999999999", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "12:00", "NaN", "1.NaN"} {
		if got, err := ParseTime(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "1w": 168 * time.Hour,
		"1y": 8760 * time.Hour, "15ms": 15 * time.Millisecond, "1m1ms": time.Minute + time.Millisecond, "0s": 0,
	} {
		if got, err := ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("%s: %s %v, want %s", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "5", "m", "1.5s", "5m1h", "1h1h", "-5m", "5 m", "300y", "9999999999999999999s", "1us", "5M"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %s, want an error", text, time.Duration(got))
		}
	}
}

func TestParseRangeParams(t *testing.T) {
	hour := int64(time.Hour)
	second := int64(time.Second)
	now := noon.UnixNano()
	tests := []struct {
		name, params string
		want         RangeParams
	}{
		{"defaults", "query=q", RangeParams{Query: "q", Start: now - hour, End: now, Step: 14 * second, Limit: 100}},
		{"since", "since=10m", RangeParams{Start: now - hour/6, End: now, Step: 2 * second, Limit: 100}},
		{"end in the past", "end=1795000000", RangeParams{Start: 1795000000e9 - hour, End: 1795000000e9, Step: 14 * second, Limit: 100}},
		{"end in the future", "end=1795269600", RangeParams{Start: now - hour, End: now + 2*hour, Step: 43 * second, Limit: 100}},
		{"start wins over since", "start=1795262399&since=5m", RangeParams{Start: now - second, End: now, Step: second, Limit: 100}},
		{
			"all", "query=q&start=1&end=2&step=0.5&interval=1m&limit=7&direction=FORWARD",
			RangeParams{Query: "q", Start: second, End: 2 * second, Step: second / 2, Interval: int64(time.Minute), Limit: 7, Direction: logs.Forward},
		},
		{"step as a duration", "step=1h30m&direction=Backward", RangeParams{Start: now - hour, End: now, Step: hour * 3 / 2, Limit: 100}},
		{"no range at all", "start=5&end=5", RangeParams{Start: 5 * second, End: 5 * second, Step: second, Limit: 100}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := url.ParseQuery(tt.params)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseRangeParams(v, noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("params differ (-want +got):\n%s", d)
			}
		})
	}
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{
		"start=1&end=2", "start=1.5&end=2026-11-21T12:00:00Z&step=5m&limit=10", "since=1h30m&interval=0.1",
		"time=1&direction=forward", "start=-9223372036&end=9223372036", "step=1e300", "since=292y",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		var param *ParamError
		p, err := ParseRangeParams(v, noon)
		switch {
		case err != nil && !errors.As(err, &param):
			t.Fatalf("%v is no ParamError", err)
		case err == nil && (p.Start > p.End || p.End-p.Start < 0 || p.Step <= 0 || p.Interval < 0 || p.Limit <= 0 || (p.End-p.Start)/p.Step > maxStepPoints):
			t.Fatalf("%+v makes no sense", p)
		}
		if _, err := ParseInstantParams(v, noon); err != nil && !errors.As(err, &param) {
			t.Fatalf("%v is no ParamError", err)
		}
	})
}
