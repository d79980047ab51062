package stage

import "math"

// dropStep drops what the condition holds for, with the lines that continue it.
type dropStep struct {
	cond   *condition
	slot   int
	reason string
}

var dropKind = kind{
	doc: StageDoc{
		Name:    "drop",
		Summary: "Drops the lines for which all that is given holds, with the lines that continue them.",
		Keys:    with(conditionKeys, []Key{reasonKey("drop")}),
		Example: Example{
			YAML: "- drop: {level: [debug, trace], reason: too_chatty}\n- drop: {selector: '{component=\"raylet\"} |= \"heartbeat\"'}\n",
			In: []string{
				"2026-11-21 05:06:01,604\tDEBUG a.py:1 -- state",
				"  of three",
				"2026-11-21 05:06:02,604\tINFO a.py:2 -- heartbeat 17",
				"2026-11-21 05:06:03,604\tINFO a.py:3 -- started",
			},
			Out: []string{
				"dropped: too_chatty",
				"dropped: too_chatty",
				"dropped: drop",
				"2026-11-21 05:06:03,604\tINFO a.py:3 -- started",
			},
		},
	},
	compile: func(s *settings) step { return &dropStep{s.needCondition(), s.slot(), s.reason()} },
}

func (s *dropStep) run(r *Run, e *Entry) string {
	if r.follow(s.slot, e, s.cond.holds(r, e), false) {
		return s.reason
	}
	return ""
}

// keepStep drops all that the condition does not hold for.
type keepStep struct {
	cond   *condition
	slot   int
	reason string
}

var keepKind = kind{
	doc: StageDoc{
		Name:    "keep",
		Summary: "Keeps the lines for which all that is given holds, with the lines that continue them, and drops all others.",
		Keys:    with(conditionKeys, []Key{reasonKey("keep")}),
		Example: Example{
			YAML: "- keep: {level: [warn, error]}\n",
			In: []string{
				"2026-11-21 05:06:01,604\tERROR a.py:1 -- it failed",
				"Traceback (most recent call last):",
				"2026-11-21 05:06:02,604\tINFO a.py:2 -- it goes on",
			},
			Out: []string{
				"2026-11-21 05:06:01,604\tERROR a.py:1 -- it failed",
				"Traceback (most recent call last):",
				"dropped: keep",
			},
		},
	},
	compile: func(s *settings) step { return &keepStep{s.needCondition(), s.slot(), s.reason()} },
}

func (s *keepStep) run(r *Run, e *Entry) string {
	if r.follow(s.slot, e, s.cond.holds(r, e), true) {
		return ""
	}
	return s.reason
}

// matchStep runs further stages for some entries.
type matchStep struct {
	cond  *condition
	steps []step
	slot  int
}

var matchKind = kind{
	doc: StageDoc{
		Name:    "match",
		Summary: "Runs further stages for those lines alone for which all that is given holds, and for the lines that continue them.",
		Keys:    with(conditionKeys, []Key{{"stages", "stages", "", "what to run for these lines"}}),
		Example: Example{
			YAML: "- match:\n    selector: '{component=\"raylet\"} |~ \"^{\"'\n    stages:\n      - json:\n      - metadata: {fields: {lease_id: lease}}\n",
			In:   []string{`{"lease":"17","message":"granted"}`, "plain text"},
			Out:  []string{"{\"lease\":\"17\",\"message\":\"granted\"}\tmetadata {lease_id=\"17\"}", "plain text"},
		},
	},
	compile: func(s *settings) step {
		s.need("stages")
		return &matchStep{s.needCondition(), s.nested("stages"), s.slot()}
	},
}

func (s *matchStep) run(r *Run, e *Entry) string {
	if !r.follow(s.slot, e, s.cond.holds(r, e), false) {
		return ""
	}
	return runAll(s.steps, r, e)
}

// sampleStep keeps a part of the entries.
type sampleStep struct {
	cond   *condition
	below  uint64 // hashes below this are kept
	all    bool
	slot   int
	reason string
}

var sampleKind = kind{
	doc: StageDoc{
		Name: "sample",
		Summary: "Keeps that part of the lines (of those alone for which all that is given holds); " +
			"a line's place in its file decides, so that a repeat decides the same, and an entry is kept or dropped whole.",
		Keys: with([]Key{{"rate", "number", "", "the part to keep, from 0 to 1"}}, conditionKeys, []Key{reasonKey("sample")}),
		Example: Example{
			YAML: "- sample: {level: debug, rate: 0.5}\n",
			In: []string{
				"2026-11-21 05:06:01,604\tDEBUG a.py:1 -- one",
				"2026-11-21 05:06:01,605\tDEBUG a.py:1 -- two",
				"2026-11-21 05:06:01,606\tDEBUG a.py:1 -- three",
				"2026-11-21 05:06:01,607\tINFO a.py:2 -- four",
			},
			Out: []string{
				"dropped: sample",
				"dropped: sample",
				"2026-11-21 05:06:01,606\tDEBUG a.py:1 -- three",
				"2026-11-21 05:06:01,607\tINFO a.py:2 -- four",
			},
		},
	},
	compile: func(s *settings) step {
		s.need("rate")
		rate := s.number("rate", 0, 0)
		if rate > 1 {
			s.wrong("rate", "is from 0 to 1")
		}
		return &sampleStep{s.condition(), uint64(math.Min(rate*(1<<63), 1<<63-1)) << 1, rate >= 1, s.slot(), s.reason()}
	},
}

func (s *sampleStep) run(r *Run, e *Entry) string {
	own := !e.Continues && s.cond.holds(r, e) && !s.all && placeHash(e) >= s.below
	if r.follow(s.slot, e, own, false) {
		return s.reason
	}
	return ""
}

// placeHash is a number that the entry's place decides.
func placeHash(e *Entry) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range e.File {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h ^= e.Offset
	for _, m := range [...]uint64{0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53} {
		h ^= h >> 33
		h *= m
	}
	return h ^ h>>33
}
