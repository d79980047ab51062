package parse

import "time"

// Anchor gives a line without a time of its own one: the line that begins at
// Offset, and those behind it, count from Time on until a time is seen again.
//
// With no Time it tells where what was sent ends (SentTo): up to there a line has the
// time that follows from those before it, and none is anchored anew.
type Anchor struct {
	Offset uint64
	Time   int64
}

// SentTo tells that lines before an offset may have been sent.
func SentTo(offset uint64) Anchor { return Anchor{Offset: offset} }

// clock gives out the times of one stream.
type clock struct {
	seen     int64 // last time seen, own or anchor
	last     int64 // last time given
	anchored bool
}

// at returns the time for a line of time t: t itself, or one nanosecond more than
// the line before where that time is given away already. Times that go backwards
// are kept as they are.
func (c *clock) at(t int64) int64 {
	if t >= c.seen && t <= c.last {
		c.last++
		return c.last
	}
	c.seen, c.last = t, t
	return t
}

// behind is a time after those that lines got which were sent before, if t is when the
// last of them was written, and which may have been given by this rule themselves: each
// got at most that time, or one that was behind others, and a nanosecond more for each
// line before it.
func (c *clock) behind(t int64) int64 { return max(t, c.last) + int64(time.Millisecond) }

// A time stamp further ahead of the reader's clock than this is user text.
const farAhead = int64(24 * time.Hour)

// stale is how much older than the write of a line the last own time of its
// stream may be before an anchor says better when the line was written.
const stale = int64(2 * time.Second)

// time gives the current line its time:
//
//	own time stamp                                           → that
//	recorded anchor at or before the line                    → the anchor's
//	no time seen in the stream so far                        → a new anchor
//	before an anchor or an end of what was sent that is
//	recorded                                                 → the last time seen
//	only an anchor so far, and what is before the line was
//	sent by a run of which the state was lost                → a new anchor
//	written after the stream was seen to end, last time old  → a new anchor
//	otherwise, and each piece and continuation of a record   → the last time seen
func (s *Stream) time(at uint64, continued bool, c *Chunk, r *Result) int64 {
	for len(s.anchors) > 0 && s.anchors[0].Offset <= at {
		if t := s.anchors[0].Time; t != 0 {
			s.clock.seen, s.clock.anchored = max(t, s.clock.seen), true
		}
		s.anchors = s.anchors[1:]
	}
	if t := s.line.Time; t != 0 && !continued && t <= c.Now+farAhead {
		s.clock.anchored, s.unsure = false, s.unsure && at < c.Emit
		return s.clock.at(t)
	}
	behind := s.unsure && at >= c.Emit && !continued && s.clock.anchored
	if behind || s.needsAnchor(continued, c) {
		t := c.writtenBy()
		if behind {
			t, s.unsure = min(c.Now, s.clock.behind(t)), false
		}
		if t > s.clock.seen {
			s.clock.seen, s.clock.anchored = t, true
			r.Anchors = append(r.Anchors, Anchor{Offset: at, Time: t})
		}
	}
	return s.clock.at(s.clock.seen)
}

// writtenBy is when the lines of a chunk had been written, at most.
func (c *Chunk) writtenBy() int64 {
	if c.Written > 0 && c.Written < c.Now {
		return c.Written
	}
	return c.Now
}

func (s *Stream) needsAnchor(continued bool, c *Chunk) bool {
	switch {
	case s.clock.seen == 0:
		return true
	case len(s.anchors) > 0:
		return false // an earlier run was here: say what it said
	case continued || s.line.Continuation || c.Idle == 0:
		return false
	case s.clock.anchored:
		return c.Idle > s.clock.seen
	default:
		return c.Idle > s.clock.seen+stale
	}
}
