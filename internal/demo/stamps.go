package demo

import (
	"bytes"
	"regexp"
	"strconv"
	"time"
)

// The time stamps that Ray, its components and its users' Python write:
//
//	2026-11-21 05:45:51,598   2026-11-21T05:45:51.598Z   session_2026-11-21_05-45-44_723701_1
//	[21/Nov/2026:05:45:50 +0000]   [21/Nov/2026 05:47:17]   E1121 05:43:37.742374091
//	1795239979   1795239979.25   1795239953248   1795239953248331145
var stampPattern = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|\+00:00)?` +
	`|\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d{6}` +
	`|\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: \+0000)?` +
	`|\b[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{1,9}` +
	`|\b\d{10}(?:\.\d{1,9})?\b|\b\d{13}\b|\b\d{16}\b|\b\d{19}\b`)

// stamps finds and moves the time stamps of a stretch of time. Stamps of other
// times are user text and stay.
type stamps struct {
	from, to time.Time // the stretch
	zone     *time.Location
}

// parse reads a match of stampPattern; moved returns the same form for another
// time, of the same length.
func (s stamps) parse(m []byte) (t time.Time, moved func(time.Time) string, ok bool) {
	switch {
	case len(m) > 10 && m[4] == '-' && m[10] == '_':
		return s.layout(m, "2006-01-02_15-04-05.000000", s.zone, 19, '_')
	case len(m) > 10 && m[4] == '-':
		return s.iso(m)
	case len(m) > 10 && m[2] == '/':
		layout, zone := "02/Jan/2006"+string(m[11])+"15:04:05 -0700", time.UTC
		if m[11] == ' ' { // Python's http.server, which writes no zone
			zone = s.zone
		}
		return s.layout(m, layout[:len(m)], zone, -1, 0)
	case m[0] >= 'A':
		return s.glog(m)
	default:
		return s.number(m)
	}
}

func (s stamps) within(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// layout parses with one of Go's layouts, which know a fraction only behind a
// dot or comma: sep stands at dot in the text.
func (s stamps) layout(m []byte, layout string, zone *time.Location, dot int, sep byte) (time.Time, func(time.Time) string, bool) {
	text := bytes.Clone(m)
	if dot >= 0 {
		text[dot] = '.'
	}
	t, err := time.ParseInLocation(layout, string(text), time.UTC)
	if err != nil || !s.within(t) {
		return t, nil, false
	}
	return t, func(to time.Time) string {
		out := []byte(to.In(zone).Format(layout))
		if dot >= 0 {
			out[dot] = sep
		}
		return string(out)
	}, true
}

func (s stamps) iso(m []byte) (time.Time, func(time.Time) string, bool) {
	layout := "2006-01-02" + string(m[10]) + "15:04:05"
	zone := s.zone
	rest := m[19:]
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		digits := 1
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		layout += string(rest[0]) + "000000000"[:digits-1]
		rest = rest[digits:]
	}
	if len(rest) > 0 { // Z or +00:00 say UTC, whatever the zone of the machine
		layout, zone = layout+string(rest), time.UTC
	}
	return s.layout(m, layout, zone, -1, 0)
}

// glog writes no year.
func (s stamps) glog(m []byte) (time.Time, func(time.Time) string, bool) {
	layout := "0102 15:04:05." + "000000000"[:len(m)-len("E0102 15:04:05.")]
	t, err := time.ParseInLocation(layout, string(m[1:]), time.UTC)
	t = t.AddDate(s.from.Year(), 0, 0)
	if err != nil || !s.within(t) {
		return t, nil, false
	}
	level := string(m[:1])
	return t, func(to time.Time) string { return level + to.In(s.zone).Format(layout) }, true
}

// number reads Unix seconds, milliseconds, microseconds or nanoseconds.
func (s stamps) number(m []byte) (time.Time, func(time.Time) string, bool) {
	whole, fraction, _ := bytes.Cut(m, []byte("."))
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil {
		return time.Time{}, nil, false
	}
	unit := map[int]int64{10: 1e9, 13: 1e6, 16: 1e3, 19: 1}[len(whole)]
	t := time.Unix(0, n*unit)
	if unit == 0 || n > (1<<63-1)/unit || !s.within(t) {
		return t, nil, false
	}
	if len(fraction) == 0 {
		return t, func(to time.Time) string { return strconv.FormatInt(to.UnixNano()/unit, 10) }, true
	}
	ns, _ := strconv.ParseInt(string(append(bytes.Clone(fraction), "000000000"[len(fraction):]...)), 10, 64)
	return t.Add(time.Duration(ns)), func(to time.Time) string {
		frac := strconv.FormatInt(1e9+int64(to.Nanosecond()), 10)[1:]
		return strconv.FormatInt(to.Unix(), 10) + "." + frac[:len(fraction)]
	}, true
}

// move returns text with each stamp moved by to; its length stays.
func (s stamps) move(text []byte, to func(time.Time) time.Time) []byte {
	return stampPattern.ReplaceAllFunc(text, func(m []byte) []byte {
		t, moved, ok := s.parse(m)
		if !ok {
			return m
		}
		if text := moved(to(t)); len(text) == len(m) {
			return []byte(text)
		}
		return m
	})
}
