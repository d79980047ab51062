package ship

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
// with them. An entry counts as
//
//	taken    when a push that it was in was answered 2xx, or when an account of all
//	         entries of the push does not list it
//	refused  when such an account lists it, when it was alone in a push, or when the
//	         answer tells of it what must hold for every entry of that push
//
// Until one of these holds the push is divided and sent again; a Loki drops what
// it has already. Every push is of one stream: Loki 3.7 answers 204 when entries that
// come too far behind, or too fast, were in any stream but the last one, and has lost
// them.
type trial struct {
	s     *Sender
	ctx   context.Context
	b     *pipeline.Batch
	r     *Result
	load  *load
	fill  Backfill
	tries int
	last  error // why the last push was refused
}

// piece is a part of the work: entries of one stream.
type piece struct {
	items []item
	first bool          // not sent before
	pause time.Duration // to wait before it is sent
}

// verdict is what became of an entry.
type verdict struct {
	item item
	why  *EntryError
}

// run works until nothing is open, the last piece first. It reports false when ctx
// ended.
func (t *trial) run(work []piece) bool {
	ok := true
	for ok && len(work) > 0 {
		p := work[len(work)-1]
		work = work[:len(work)-1]
		if t.tries >= mostTries && !p.first && p.pause == 0 {
			why := &EntryError{FaultOther, fmt.Sprintf("not looked at line by line after %d pushes: %v", t.tries, t.last)}
			ok = t.bury(verdicts(p.items, why))
			continue
		}
		if !sleep(t.ctx, p.pause) {
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
	if p.pause == 0 && !p.first {
		t.tries++
	}
	a, ok := t.s.insist(t.ctx, t.load.body(p.items), func(a *Answer) { heed(a, p.items) })
	if !ok {
		return nil, false
	}
	return t.judge(p.items, a)
}

// heed judges an answer to a push of items:
//
//	it refuses files, of which none was sent        → again
//	429, and it tells which entries were too many   → rejected, the others are taken
func heed(a *Answer, items []item) {
	switch {
	case a.Kind == KindRefused:
		a.Kind, a.Err = KindRetry, errors.New("the server refused files, of which nothing was sent")
	case a.Kind == KindRetry && a.Status == http.StatusTooManyRequests:
		c := readComplaint(a.Complaint)
		if _, ok := c.match(items); ok {
			a.Kind = KindReject
		}
	}
}

// judge takes an answer: what is still open comes back in pieces.
func (t *trial) judge(items []item, a Answer) ([]piece, bool) {
	if a.Kind != KindReject {
		return nil, true
	}
	t.last = a.Err
	if a.Err == errShut {
		return t.refuse(verdicts(items, &EntryError{FaultTenant, errShut.Error()}), a)
	}
	var c complaint
	if a.Status == http.StatusBadRequest || a.Status == http.StatusTooManyRequests {
		c = readComplaint(a.Complaint)
	}
	t.learn(items, &c)
	if refused, ok := c.match(items); ok {
		return t.refuse(refused, a)
	}
	return t.divide(items, &c, a)
}

// learn remembers how new the stream is of which the complaint tells.
func (t *trial) learn(items []item, c *complaint) {
	marks := t.s.marksOf()
	key := marks.key(t.load.streams[items[0].stream])
	for _, r := range c.reasons {
		if r.fault == FaultFarBehind && r.oldest != 0 {
			marks.raise(key, r.oldest+int64(t.fill.Window))
		}
	}
}

// match finds the refused entries of a push; ok is false where the complaint does not
// tell which.
func (c *complaint) match(of []item) (bad []verdict, ok bool) {
	for i := range c.accounts {
		if bad, ok = c.accounts[i].match(of); ok {
			return bad, true
		}
	}
	return nil, false
}

// match knows the refused entries where all are listed, where the first one that is
// listed and all behind it make up the number, or where as many as were refused must
// have the fault of one that is listed.
func (a *account) match(of []item) (bad []verdict, ok bool) {
	if len(of) != a.total || len(a.listed) == 0 {
		return nil, false
	}
	if len(a.listed) == a.refused {
		if bad, ok = a.byTime(of); ok {
			return bad, true
		}
	}
	if rest := of[len(of)-a.refused:]; a.refused > 0 && a.alike() && rest[0].time == a.listed[0].time {
		same := func(it item) bool { return it.time == rest[0].time }
		if slices.IndexFunc(of, same) == len(of)-a.refused && !slices.ContainsFunc(rest[1:], same) {
			return verdicts(rest, a.listed[0].why()), true
		}
	}
	bad = nil
	for _, it := range of {
		for i := range a.listed {
			if r := &a.listed[i]; r.fault != faultRate && r.hits(&it) {
				bad = append(bad, verdict{it, r.why()})
				break
			}
		}
	}
	return bad, len(bad) == a.refused
}

// alike reports whether all that is listed has one fault.
func (a *account) alike() bool {
	return !slices.ContainsFunc(a.listed, func(r reason) bool { return r.fault != a.listed[0].fault })
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

// divide makes two pieces of a push, or knows what is refused:
//
//	what the complaint tells holds for all  → all refused
//	it holds for some                       → the others, then those
//	one entry                               → refused
//	several                                 → one half, then the other
func (t *trial) divide(items []item, c *complaint, a Answer) ([]piece, bool) {
	var hit []verdict
	var others []item
	for _, it := range items {
		if why := c.fault(&it); why != nil {
			hit = append(hit, verdict{it, why})
		} else {
			others = append(others, it)
		}
	}
	switch {
	case len(others) == 0:
		return t.refuse(hit, a)
	case len(hit) > 0:
		return []piece{{items: itemsOf(hit)}, {items: others}}, true
	case len(items) == 1:
		return t.refuse(verdicts(items, c.reason(a.Err)), a)
	}
	half := len(items) / 2
	return []piece{{items: items[half:]}, {items: items[:half]}}, true
}

// fault is what must be wrong with an entry by what the complaint tells of others.
func (c *complaint) fault(it *item) *EntryError {
	for i := range c.reasons {
		if r := &c.reasons[i]; r.hits(it) {
			return r.why()
		}
	}
	return nil
}

// reason is why a single entry was refused.
func (c *complaint) reason(err error) *EntryError {
	if len(c.reasons) > 0 {
		return c.reasons[0].why()
	}
	var status *StatusError
	if errors.As(err, &status) && status.Code == http.StatusRequestEntityTooLarge {
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
func (t *trial) refuse(vs []verdict, a Answer) (more []piece, ok bool) {
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
	t.r.Filed += len(filed)
	more = t.load.apart(filed)
	if len(again) > 0 {
		t.s.Retrying(a.Err)
		t.s.tell(a)
		more = append(more, piece{items: again, pause: a.RetryAfter + jitter(pauseOfRate)})
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
