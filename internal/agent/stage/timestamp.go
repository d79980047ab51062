package stage

import (
	"strconv"
	"strings"
	"time"
)

// timestampStep sets the time of an entry.
type timestampStep struct {
	source   string
	unit     int64 // nanoseconds of a number's unit; 0 for a layout
	layout   string
	yearless bool
	zone     *time.Location
	last     bool
	slot     int // at is the time set last
}

var timestampKind = kind{
	doc: StageDoc{
		Name:    "timestamp",
		Summary: "Takes the time of a line from a field.",
		Keys: []Key{
			{"source", "text", "", "the extracted field, metadata or label that holds the time"},
			{"format", "text", "RFC3339", "RFC3339, unix, unix_ms, unix_us, unix_ns, another name of Go's layouts (RFC1123, ANSIC, Stamp …), or a layout: the moment `Mon Jan 2 15:04:05.000 MST 2006` as the field would write it"},
			{"location", "text", "UTC", "the zone of times that name none, such as Europe/Berlin"},
			{"otherwise", "text", "last", "the time of a line that has none in the field: `last` is the last one that this stage has set in the file, `keep` is the one it has"},
		},
		Example: Example{
			YAML: "- json: {fields: {ts: ts}}\n- timestamp: {source: ts, format: unix_ms}\n",
			In:   []string{`{"ts":1795237561604,"msg":"a"}`, "  its second line"},
			Out: []string{
				"{\"ts\":1795237561604,\"msg\":\"a\"}\ttime 2026-11-21T05:06:01.604Z",
				"  its second line\ttime 2026-11-21T05:06:01.604Z",
			},
		},
	},
	compile: compileTimestamp,
}

var units = map[string]int64{"unix": 1e9, "unix_ms": 1e6, "unix_us": 1e3, "unix_ns": 1}

var layouts = map[string]string{
	"RFC3339": time.RFC3339Nano, "RFC3339Nano": time.RFC3339Nano, "RFC1123": time.RFC1123, "RFC1123Z": time.RFC1123Z,
	"RFC822": time.RFC822, "RFC822Z": time.RFC822Z, "RFC850": time.RFC850, "ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate,
	"DateTime": time.DateTime, "Stamp": time.Stamp, "StampMilli": time.StampMilli, "StampMicro": time.StampMicro, "StampNano": time.StampNano,
}

func compileTimestamp(s *settings) step {
	s.need("source")
	t := &timestampStep{source: s.source(), last: s.word("otherwise", "last", "last", "keep") == "last", slot: s.slot()}
	format := s.text("format", "RFC3339")
	t.unit, t.layout = units[format], layouts[format]
	if t.unit == 0 && t.layout == "" {
		t.layout = format
		a, b := time.Date(2006, 1, 2, 15, 4, 5, 6e6, time.UTC), time.Date(2007, 11, 28, 23, 57, 59, 7e6, time.UTC)
		if a.Format(format) == b.Format(format) || len(format) > 128 {
			s.wrong("format", "%s is neither RFC3339, unix, unix_ms, unix_us, unix_ns nor a layout of Go, such as \"2006-01-02 15:04:05.000\"", quote(format))
		}
	}
	t.yearless = t.unit == 0 && time.Date(2007, 1, 1, 0, 0, 0, 0, time.UTC).Format(t.layout) == time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC).Format(t.layout)
	var err error
	if t.zone, err = time.LoadLocation(s.text("location", "UTC")); err != nil {
		s.wrong("location", "%s is no known time zone", quote(s.text("location", "")))
		t.zone = time.UTC
	}
	return t
}

func (s *timestampStep) run(r *Run, e *Entry) string {
	state := &r.slots[s.slot]
	v, _ := r.get(e, s.source)
	if ns, ok := s.parse(strings.TrimSpace(v), e.Time); ok {
		e.Time, state.at, state.on = ns, ns, true
		return ""
	}
	if s.last && state.on {
		e.Time = state.at
	}
	return ""
}

// parse reads a time; near is about when it must be, for layouts without a year.
func (s *timestampStep) parse(v string, near int64) (int64, bool) {
	if s.unit != 0 {
		return unixTime(v, s.unit)
	}
	t, err := time.ParseInLocation(s.layout, v, s.zone)
	if err != nil || v == "" {
		return 0, false
	}
	if s.yearless {
		t = nearest(t, near)
	}
	if t.Year() < 1970 || t.Year() > 2261 {
		return 0, false
	}
	return t.UnixNano(), true
}

// nearest puts t into the year that brings it nearest to a moment.
func nearest(t time.Time, ns int64) time.Time {
	year := time.Unix(0, ns).UTC().Year()
	best, least := t, time.Duration(1<<63-1)
	for y := year - 1; y <= year+1; y++ {
		c := time.Date(y, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
		if d := c.Sub(time.Unix(0, ns)).Abs(); d < least {
			best, least = c, d
		}
	}
	return best
}

// unixTime reads a decimal number of units without losing digits to floats.
func unixTime(v string, unit int64) (int64, bool) {
	whole, fraction, _ := strings.Cut(v, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > (1<<63-1)/unit-1 {
		return 0, false
	}
	ns := n * unit
	for _, c := range []byte(fraction) {
		if c < '0' || c > '9' {
			return 0, false
		}
		unit /= 10
		ns += int64(c-'0') * unit
	}
	return ns, true
}
