package ship

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/loki"
)

// EntryError says why a Loki refused entries of a part, of which it took the rest.
type EntryError struct {
	Fault  Fault
	Reason string // as Loki put it
}

func (e *EntryError) Error() string { return e.Reason }

// mostTries bounds the pushes that it may take to find the refused entries of one
// batch. What was not looked at by then is kept as refused.
const mostTries = 400

// trial finds out which entries of a batch a Loki refuses, and what is to be done
// with them. Its answers tell of one stream at a time, and not of all entries, so
// an entry counts as
//
//	taken    when a push that it was in was answered 2xx, or an account of all
//	         entries of its stream does not list it
//	refused  when such an account lists it, when it was alone in a push, or when the
//	         answer tells of it what must hold for every entry of that push
//
// Until one of these holds the push is divided and sent again; a Loki drops what
// it has already.
//
// Of entries that come too far behind a Loki tells in the last stream of a push
// alone: it answers 204 when those were in the streams before. So a stream in which
// there may be such entries is pushed alone.
type trial struct {
	s     *Sender
	ctx   context.Context
	b     *pipeline.Batch
	r     *Result
	load  *load
	fill  Backfill
	keys  []string // of the load's streams
	tries int
	last  error // why the last push was refused
}

// piece is a part of the work: entries sorted by stream.
type piece struct {
	items []item
	first bool // not sent before
	pause bool // wait before it is sent
}

// verdict is what became of an entry.
type verdict struct {
	item item
	why  *EntryError
}

// whole sends a batch as it is.
func (t *trial) whole(body []byte) bool {
	a, ok := t.s.insist(t.ctx, body, noFiles)
	if !ok || a.Kind == KindDone {
		return ok
	}
	t.load = loadOf(t.b)
	t.load.sort(t.load.items)
	work, ok := t.judge(t.load.items, a)
	return ok && t.run(work)
}

// run works until nothing is open, the last piece first. It reports false when ctx
// ended.
func (t *trial) run(work []piece) bool {
	ok := true
	for ok && len(work) > 0 {
		p := work[len(work)-1]
		work = work[:len(work)-1]
		if t.tries >= mostTries && !p.first {
			why := &EntryError{FaultOther, fmt.Sprintf("not looked at line by line after %d pushes: %v", t.tries, t.last)}
			ok = t.bury(verdicts(p.items, why))
			continue
		}
		if p.pause && !sleep(t.ctx, jitter(pauseOfRate)) {
			return false
		}
		var more []piece
		more, ok = t.send(p)
		work = append(work, more...)
	}
	return ok
}

// pauseOfRate is how long to wait when a Loki took part of a push and had enough.
const pauseOfRate = 2 * time.Second

func (t *trial) send(p piece) ([]piece, bool) {
	if !p.pause && !p.first {
		t.tries++
	}
	a, ok := t.s.insist(t.ctx, t.load.body(p.items), noFiles)
	if !ok {
		return nil, false
	}
	return t.judge(p.items, a)
}

// judge takes an answer: what is still open comes back in pieces.
func (t *trial) judge(items []item, a Answer) ([]piece, bool) {
	if a.Kind != KindReject {
		return nil, true
	}
	t.last = a.Err
	t.name()
	var c complaint
	if a.Status == statusBadRequest {
		c = readComplaint(a.Complaint)
	}
	t.learn(&c)
	if refused, open, some := t.settle(items, &c); some {
		more, ok := t.refuse(refused)
		if len(open) > 0 {
			// Nothing of this push should have come too far behind.
			t.s.narrow()
			more = append(more, byStream(open)...)
		}
		return more, ok
	}
	return t.divide(items, &c, a.Err)
}

const statusBadRequest = 400

// name brings keys up to the load's streams.
func (t *trial) name() {
	for i := len(t.keys); i < len(t.load.streams); i++ {
		t.keys = append(t.keys, streamKey(t.load.streams[i]))
	}
}

// learn remembers how new the streams are that the complaint tells of.
func (t *trial) learn(c *complaint) {
	for _, r := range c.reasons {
		if r.fault != FaultFarBehind || r.oldest == 0 {
			continue
		}
		for i, key := range t.keys {
			if key == r.stream {
				t.s.marks.raise(t.s.marks.key([]byte(t.load.streams[i])), r.oldest+int64(t.fill.Window))
			}
		}
	}
}

// settle takes the accounts at their word: of a stream of which as many entries are
// accounted for as were sent, all are refused or taken.
func (t *trial) settle(items []item, c *complaint) (refused []verdict, open []item, some bool) {
	settled := map[int]bool{}
	for _, a := range c.accounts {
		at := slices.Index(t.keys, a.stream)
		if at < 0 || slices.Index(t.keys[at+1:], a.stream) >= 0 {
			continue
		}
		var of []item
		for _, it := range items {
			if it.stream == at {
				of = append(of, it)
			}
		}
		if bad, ok := a.match(of); ok && !settled[at] {
			settled[at] = true
			refused = append(refused, bad...)
		}
	}
	for _, it := range items {
		if !settled[it.stream] {
			open = append(open, it)
		}
	}
	return refused, open, len(settled) > 0
}

// match finds the refused entries of a stream; ok is false where the account does
// not tell which.
func (a *account) match(of []item) (bad []verdict, ok bool) {
	if len(of) != a.total || len(a.listed) == 0 {
		return nil, false
	}
	if len(a.listed) == a.refused {
		bad, ok = a.byTime(of)
	}
	if !ok {
		bad = bad[:0]
		for _, it := range of {
			for i := range a.listed {
				if r := &a.listed[i]; r.fault != faultRate && r.hits(&it, a.stream) {
					bad = append(bad, verdict{it, r.why()})
					break
				}
			}
		}
	}
	return bad, len(bad) == a.refused
}

// byTime finds the entries that are listed, each by its time.
func (a *account) byTime(of []item) (bad []verdict, ok bool) {
	at := map[int64][]*reason{}
	for i := range a.listed {
		r := &a.listed[i]
		at[r.time] = append(at[r.time], r)
	}
	have := map[int64]int{}
	for _, it := range of {
		if rs := at[it.time]; len(rs) > 0 {
			bad = append(bad, verdict{it, rs[0].why()})
			have[it.time]++
		}
	}
	for ns, rs := range at {
		if have[ns] != len(rs) {
			return nil, false
		}
	}
	return bad, true
}

func (r *reason) why() *EntryError { return &EntryError{r.fault, r.text} }

// divide makes two pieces of a push, or knows what is refused:
//
//	what the complaint tells holds for all    → all refused
//	it holds for some                         → the others, then those
//	several streams                           → one half of them, then the other
//	several entries                           → likewise
//	one entry                                 → refused
func (t *trial) divide(items []item, c *complaint, err error) ([]piece, bool) {
	oneStream := items[0].stream == items[len(items)-1].stream
	if oneStream {
		c.about(t.keys[items[0].stream])
	}
	var hit []verdict
	var others []item
	for _, it := range items {
		if why := t.fault(&it, c); why != nil {
			hit = append(hit, verdict{it, why})
		} else {
			others = append(others, it)
		}
	}
	switch {
	case len(others) == 0:
		return t.refuse(hit)
	case len(hit) > 0:
		return []piece{{items: itemsOf(hit)}, {items: others}}, true
	case len(items) == 1:
		return t.refuse(verdicts(items, t.reason(c, err)))
	}
	half := len(items) / 2
	if !oneStream {
		half = boundary(items, half)
	}
	return []piece{{items: items[half:]}, {items: items[:half]}}, true
}

// byStream are pieces of one stream each.
func byStream(items []item) (all []piece) {
	for i := 0; i < len(items); {
		end := i + 1
		for end < len(items) && items[end].stream == items[i].stream {
			end++
		}
		all = append(all, piece{items: items[i:end], first: true})
		i = end
	}
	return all
}

// boundary is where a stream begins, as near to at as can be.
func boundary(items []item, at int) int {
	for d := 0; ; d++ {
		if i := at - d; i > 0 && items[i-1].stream != items[i].stream {
			return i
		}
		if i := at + d; i > 0 && i < len(items) && items[i-1].stream != items[i].stream {
			return i
		}
	}
}

// fault is what must be wrong with an entry by what the complaint tells of others.
func (t *trial) fault(it *item, c *complaint) *EntryError {
	for i := range c.reasons {
		if r := &c.reasons[i]; r.hits(it, t.keys[it.stream]) {
			return r.why()
		}
	}
	return nil
}

// reason is why a single entry was refused.
func (t *trial) reason(c *complaint, err error) *EntryError {
	if len(c.reasons) > 0 {
		return c.reasons[0].why()
	}
	var status *StatusError
	if errors.As(err, &status) && status.Code == 413 {
		return &EntryError{FaultLine, err.Error()}
	}
	return &EntryError{FaultOther, err.Error()}
}

func verdicts(items []item, why *EntryError) []verdict {
	all := make([]verdict, len(items))
	for i, it := range items {
		all[i] = verdict{it, why}
	}
	return all
}

func itemsOf(vs []verdict) []item {
	all := make([]item, len(vs))
	for i, v := range vs {
		all[i] = v.item
	}
	return all
}

// refuse does with refused entries what is to be done: those that come too far
// behind go into streams of their own, those that came too fast are sent again,
// the others are kept as dead letters.
func (t *trial) refuse(vs []verdict) (more []piece, ok bool) {
	var again, filed []item
	var dead []verdict
	for _, v := range vs {
		switch {
		case v.why.Fault == faultRate:
			again = append(again, v.item)
		case v.why.Fault == FaultFarBehind && !t.fill.Disabled && t.load.move(&v.item, t.fill):
			filed = append(filed, v.item)
		default:
			dead = append(dead, v)
		}
	}
	t.load.sort(filed)
	t.r.Filed += len(filed)
	if len(again) > 0 {
		more = append(more, piece{items: again, pause: true})
	}
	if len(filed) > 0 {
		more = append(more, piece{items: filed})
	}
	return more, t.bury(dead)
}

// bury keeps entries as dead letters, those of one part, stream and reason at once.
func (t *trial) bury(vs []verdict) bool {
	slices.SortStableFunc(vs, func(a, b verdict) int { return a.item.part - b.item.part })
	for len(vs) > 0 {
		n := 1
		for n < len(vs) && vs[n].item.part == vs[0].item.part && vs[n].item.stream == vs[0].item.stream && *vs[n].why == *vs[0].why {
			n++
		}
		var entries []byte
		for _, v := range vs[:n] {
			entries = append(entries, v.item.raw...)
		}
		body := loki.AppendStream(nil, t.load.streams[vs[0].item.stream], entries, nil)
		if !t.s.insistBurying(t.ctx, &t.b.Parts[vs[0].item.part], body, vs[0].why) {
			return false
		}
		t.r.Buried += n
		vs = vs[n:]
	}
	return true
}
