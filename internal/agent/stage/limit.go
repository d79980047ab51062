package stage

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// limitStep bounds how many lines of a file pass, by the lines' own time.
type limitStep struct {
	cond     *condition
	interval int64 // nanoseconds between lines; 0: no rate
	burst    int64 // lines
	repeated int64
	rate     int // slot: at is the time of the last line, count when the bucket is empty again
	same     int // slot: sum of the last line, count of equal ones since at
	reason   string
}

var limitKind = kind{
	doc: StageDoc{
		Name: "limit",
		Summary: "Bounds how many lines of one file pass, in the time that the lines themselves tell, so that a repeat decides the same: " +
			"lines per second, and equal lines in a row.",
		Keys: with([]Key{
			{"rate", "number", "", "lines per second that pass on average"},
			{"burst", "number", "rate", "lines that may come at once"},
			{"repeated", "number", "", "equal lines in a row that pass in a second; lines that differ only in the time they begin with are equal"},
		}, conditionKeys, []Key{reasonKey("limit")}),
		Example: Example{
			YAML: "- limit: {repeated: 2, reason: repeated}\n- limit: {level: [info], rate: 1, burst: 2}\n",
			In: []string{
				"2026-11-21 05:06:01,100\tINFO a.py:1 -- waiting",
				"2026-11-21 05:06:01,200\tINFO a.py:1 -- waiting",
				"2026-11-21 05:06:01,300\tINFO a.py:1 -- waiting",
				"2026-11-21 05:06:01,400\tINFO a.py:2 -- other",
				"2026-11-21 05:06:03,400\tINFO a.py:2 -- later",
			},
			Out: []string{
				"2026-11-21 05:06:01,100\tINFO a.py:1 -- waiting",
				"2026-11-21 05:06:01,200\tINFO a.py:1 -- waiting",
				"dropped: repeated",
				"dropped: limit",
				"2026-11-21 05:06:03,400\tINFO a.py:2 -- later",
			},
		},
	},
	compile: compileLimit,
}

func compileLimit(s *settings) step {
	l := &limitStep{cond: s.condition(), rate: s.slot(), same: s.slot(), reason: s.reason()}
	if !s.has("rate") && !s.has("repeated") {
		s.fail(s.at, "limit needs one of rate, repeated")
	}
	if s.has("rate") {
		rate := s.number("rate", 1, 1e-6)
		l.interval = max(1, int64(1e9/rate))
		l.burst = int64(min(s.number("burst", max(1, rate), 1), 1e6))
		if l.interval > int64(24*time.Hour) {
			s.wrong("rate", "is less than one line a day")
		}
	} else if s.has("burst") {
		s.wrong("burst", "needs a rate")
	}
	l.repeated = int64(min(s.number("repeated", 0, 1), 1e9))
	return l
}

func (s *limitStep) run(r *Run, e *Entry) string {
	if !s.cond.holds(r, e) {
		return ""
	}
	own := s.repeated > 0 && s.isRepeat(&r.slots[s.same], e)
	if !own && s.interval > 0 && (!e.Continues || r.slots[s.rate].fate != fateYes) {
		own = s.isTooMuch(&r.slots[s.rate], e.Time)
	}
	if r.follow(s.rate, e, own, false) {
		return s.reason
	}
	return ""
}

// isTooMuch fills a bucket of burst lines that loses one each interval. A time
// that goes back a little counts as the latest one; one that goes back further
// tells that the latest was wrong, or that another process writes: begin anew.
func (s *limitStep) isTooMuch(state *slot, now int64) bool {
	const back = int64(time.Minute)
	switch {
	case state.at == 0 || now < state.at-back:
		state.at, state.count = now, now
	case now > state.at:
		state.at = now
	}
	now = state.at
	free := max(state.count, now)
	if free-now > (s.burst-1)*s.interval {
		return true
	}
	state.count = free + s.interval
	return false
}

func (s *limitStep) isRepeat(state *slot, e *Entry) bool {
	sum := xxhash.Sum64(behindTime(e.Line))
	if state.count == 0 || sum != state.sum || e.Time < state.at || e.Time-state.at >= int64(time.Second) {
		state.sum, state.at, state.count = sum, e.Time, 0
	}
	state.count++
	return state.count > s.repeated
}

// behindTime is the line without the digits and signs that it begins with.
func behindTime(line []byte) []byte {
	for i, c := range line {
		switch {
		case c >= '0' && c <= '9', c == '[', c == '-', c == ':', c == ',', c == '.', c == '+', c == ' ', c == 'T', c == 'Z':
		default:
			return line[i:]
		}
	}
	return line
}
