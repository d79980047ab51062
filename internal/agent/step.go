package agent

import (
	"math"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// When a writer is taken to have ended. Ray's rotators close a file before they
// rename it; another process may still hold it for a moment.
const (
	quietRenamed = 250 * time.Millisecond
	quietDeleted = 2 * time.Second
	quietClosed  = time.Minute // a newer session is there
)

// sessionWait is how long a new session's files wait for the names that tell
// whether this is the head.
const sessionWait = time.Second

// step does what is next with a stream, until it waits for a reader or for
// something to happen.
func (a *agent) step(f *follower, now time.Time) {
	for !f.running && f.asked && f.named && f.epochOf == f.epoch.Load() {
		g := f.reading()
		if g == nil {
			return
		}
		if !a.sessionReady(f.session, now) {
			a.settle(f)
			return
		}
		if !g.begun {
			a.begin(f, g)
		}
		st, s := a.observe(f, g, now)
		next := tail.Next(f.cursor, s)
		if (next == tail.Open || next == tail.Read || next == tail.Flush) && wall.Mono() < g.notBefore {
			return // it could not be read a moment ago; each sweep comes back to it
		}
		if g.packed && (next == tail.Open || next == tail.Read || next == tail.Flush) && !a.mayUnpack(f, g) {
			return
		}
		if (next == tail.Restart || next == tail.Abandon || s.Lost && next == tail.Advance) && a.unheard(f) {
			return
		}
		if g.cut && (next == tail.Abandon || next == tail.Advance && f.gap == "") {
			if !a.cutShort(f, g) {
				return
			}
			continue
		}
		switch next {
		case tail.Wait:
			a.settleEnded(f, g)
			return
		case tail.Open:
			if err := a.open(g); err != nil {
				if g.path == "" && !g.link {
					continue // it is gone: that is decided on above
				}
				a.failed(g, err)
				return
			}
		case tail.Read, tail.Flush:
			a.read(f, g, st, s.Ended)
		case tail.Advance:
			if s.Lost {
				f.cursor.Offset = max(f.cursor.Offset, f.sentOf(g))
			}
			a.advance(f, g)
		case tail.Restart:
			if !a.cutForGood(f, g) {
				a.settle(f)
				return
			}
			a.cut(f, g)
		case tail.Abandon:
			a.abandon(f, g, "deleted-unread")
		}
	}
}

// unheard has the server asked once more about a stream of which bytes that were not sent
// by this run are gone: what comes next begins where those end that the agent before this
// one sent last, and the server may have taken them since it was asked.
func (a *agent) unheard(f *follower) bool {
	if f.heard || f.sent || !f.known || a.wire != parse.Remora || a.deaf {
		return false
	}
	f.heard, f.asked = true, false
	a.doubted = append(a.doubted, f)
	return true
}

// begin starts a generation behind the one before it, or behind a gap.
func (a *agent) begin(f *follower, g *generation) {
	g.base = f.acked.Offset
	if f.cur > 0 {
		before := f.gens[f.cur-1]
		g.base = before.base + uint64(before.size)
	}
	known := g.placed && g.place <= f.emit // else the server lost it
	if !known && !f.passed() && !a.joined(f, g) && f.gap == "" {
		a.noteGap(f, "rotated-unseen", g.base, 0)
	}
	switch {
	case known:
		g.base = g.place
	case f.gap != "" && f.gapAt >= g.base && !f.passed():
		g.base = f.gapAt
		if !f.telling {
			g.gap, f.gap = f.gap, ""
		}
	case g.base+1 == max(f.emit, f.acked.Offset) && !f.passed():
		g.base++ // a gap was told there by itself
	}
	if g.cuts > g.saved && g.copy == nil && g.gap == "" {
		a.heldMore(g)
		g.head = tail.Head{} // that is of what it held
		a.glimpse(g)
	}
	if f.nothingSent() {
		// The server is to know the stream by a file of which it has something.
		f.id = identity(f.session.machine, f.session.name, f.file, g.key)
	}
	g.begun = true
	f.cursor, f.mark, f.idle = tail.Cursor{}, tail.Mark{}, 0
	if g.gap != "" {
		f.idle = wall.Now().UnixNano() // when the lines behind it were written, those before it do not tell
	}
}

// nothingSent reports whether all files before the one that is begun now were given up
// before anything of them, or of the gap that they leave, was sent.
func (f *follower) nothingSent() bool {
	return f.cur > 0 && !f.stray && !f.sent && f.acked.Offset == 0 && f.emit == 0
}

// observe is what the disk says of the generation that is being read.
func (a *agent) observe(f *follower, g *generation, now time.Time) (tail.Stat, tail.State) {
	if g.packed {
		return a.observePacked(f, g)
	}
	var st tail.Stat
	var err error
	switch {
	case g.fd >= 0:
		st, err = tail.StatFD(g.fd)
	case g.path != "":
		if st, err = tail.StatPath(g.path); err != nil || st.Key != g.key {
			g.unname()
			return a.observe(f, g, now)
		}
	case g.link:
		if st, err = tail.StatPath(a.linkPath(g)); err != nil || st.Key.Ino != g.key.Ino {
			g.link = false
			return a.observe(f, g, now)
		}
	default:
		return st, tail.State{Size: g.size, Lost: true, Ended: true}
	}
	if err != nil {
		a.closeFD(g)
		return a.observe(f, g, now)
	}
	if g.written != 0 && g.written != st.Written && st.Size == f.cursor.Offset {
		g.changed = g.changed || !f.endsAsRead(g)
	}
	if f.cursor.Offset == 0 && a.cutUnread(g, st.Size) {
		g.changed = true
	}
	g.written = st.Written
	if st.Size != g.size {
		g.size, g.grew = st.Size, wall.Mono()
		a.lastGrowth = now
	}
	s := tail.State{Size: st.Size, Open: g.fd >= 0, Changed: g.changed}
	s.Ended = a.ended(f, g)
	return st, s
}

// ended reports whether the writer of a generation has ended.
func (a *agent) ended(f *follower, g *generation) bool {
	quiet := time.Duration(wall.Mono() - g.grew)
	half := f.cursor.Offset < f.cursor.Seen
	switch {
	case g.rotation == nameless:
		return quiet >= quietDeleted || (f.cur+1 < len(f.gens) && quiet >= quietRenamed) || a.closing
	case g.rotation > 0 || f.cur+1 < len(f.gens):
		return quiet >= quietRenamed || a.closing
	case half:
		return a.closing || (quiet >= quietClosed && a.newerSession(f.session))
	default:
		return false
	}
}

// settleEnded has a generation whose writer is about to be taken to have ended looked
// at again.
func (a *agent) settleEnded(f *follower, g *generation) {
	if g.rotation > 0 || f.cur+1 < len(f.gens) {
		a.settle(f)
	}
}

func (a *agent) newerSession(s *session) bool {
	for _, other := range a.sessions {
		if other.root == s.root && other.name > s.name {
			return true
		}
	}
	return false
}

// read gives the next chunk to a reader.
func (a *agent) read(f *follower, g *generation, st tail.Stat, ended bool) {
	a.prepare(f)
	a.fingerprint(g)
	if g.packed && g.unpack == nil {
		g.unpack = tail.NewUnpacker(g.fd)
	}
	j := pipeline.Job{
		Follower: f, Epoch: f.epochOf, Stream: f.parser, FD: g.fd, Unpack: g.unpack, Cursor: f.cursor, Mark: f.mark,
		Tenant: f.session.node.Tenant, Base: g.base, Ended: ended, Emit: f.emit, Now: wall.Now().UnixNano(), Idle: f.idle, Written: st.Written,
		Range: loki.FileRange{File: f.id, Generation: f.printOf(g), Gap: f.gapFor(g)},
	}
	if !g.packed {
		j.Head = g.head
	}
	if f.passed() {
		j.Emit = math.MaxUint64
	}
	f.running = true
	g.used = wall.Mono()
	a.running++
	a.jobs <- j // there is room: running < cap(jobs)
}

// fingerprint notes how a generation begins before its first range is sent.
func (a *agent) fingerprint(g *generation) {
	if g.print != nil {
		return
	}
	if b, err := tail.ReadHead(g.fd, a.head[:]); err == nil && len(b) > 0 {
		g.head = tail.HeadOf(b)
		g.print = tail.Print(g.key, g.head)
	}
}

// printOf is the fingerprint to send with the chunk that comes next. The server takes
// the beginning of the first range that has it for the file's, so of a file that it
// has by another one nothing is said: that was made when the file was shorter.
func (f *follower) printOf(g *generation) []byte {
	if f.cursor.Offset == 0 && f.emit <= g.base {
		g.told = true
	}
	if !g.told {
		return nil
	}
	return g.print
}

// gapFor is the gap to tell with the chunk that comes next.
func (f *follower) gapFor(g *generation) string {
	switch {
	case f.cursor.Offset == 0 && g.gap != "":
		return g.gap
	case f.gap != "" && f.gapAt == f.at() && !f.telling:
		return f.gap
	}
	return ""
}

// prepare makes the stream's parser, or tells it what was learnt of the node.
func (a *agent) prepare(f *follower) {
	node := f.session.node
	node.Type = f.session.kind(node.Type)
	named := a.conf.Source.File(f.session.key, f.file.Stream)
	labels := with(with(node.Labels(f.file), named.Labels), a.conf.Labels)
	meta := with(with(node.Metadata(f.session.name, f.file), named.Metadata), a.conf.Metadata)
	switch {
	case f.parser == nil:
		f.parser = parse.New(parse.Source{
			File: f.file, Context: ray.Context{Session: f.session.name, Location: a.conf.Location},
			Labels: labels, Metadata: meta, Form: a.form(f), Stages: a.conf.Stages,
		}, a.wire)
		a.restoreParser(f, f.acked)
	case f.facts != f.session.facts:
		f.parser.SetFacts(labels, meta)
	}
	f.facts = f.session.facts
}

// form is how the source's files carry their lines.
func (a *agent) form(f *follower) parse.Form {
	if _, pods := a.conf.Source.(*discover.Pods); pods {
		return parse.CRI
	}
	if f.file.Format == ray.FormatContainer {
		return parse.Terminal
	}
	return parse.Plain
}

// with is a with b added, which wins.
func with(a, b logs.Labels) logs.Labels {
	if len(b) == 0 {
		return a
	}
	return logs.Normalize(slices.Concat(a, b))
}

func (a *agent) restoreParser(f *follower, p parse.Position) {
	// Lines that were sent and not acknowledged may be there: they keep their times.
	if sent := a.state.Anchors(f.id); len(sent) > len(f.anchors) {
		f.anchors = sent
	}
	if p.Offset == 0 && p.Parser == nil && len(f.anchors) == 0 {
		return // a new stream
	}
	if err := f.parser.Restore(p, f.anchors); err != nil {
		a.log.Warn("what was known of a stream's writer is lost", "stream", f.file.Stream, "error", err)
	}
}

// jobDone takes a stream back from a reader.
func (a *agent) jobDone(d pipeline.Done) {
	f := d.Follower.(*follower)
	f.running = false
	a.running--
	if d.Added {
		a.unacked++
		f.sent = true
		a.met.lines.Add(float64(d.Lines))
		for reason, n := range d.Dropped {
			a.met.dropLines.WithLabelValues(reason).Add(float64(n))
		}
	}
	a.met.bytesRead.Add(float64(d.Read))
	a.bytesRead += uint64(d.Read)
	if f.rewind != nil {
		to := *f.rewind
		f.rewind = nil
		a.goTo(f, to)
		a.queue(f)
		return
	}
	if d.Epoch != f.epoch.Load() {
		return // refused meanwhile: the answer is on its way
	}
	g := f.reading()
	switch {
	case d.TellGap:
		f.idle = wall.Now().UnixNano() // what comes behind it is written from now on
	case d.Changed && g.packed:
		a.abandon(f, g, "deleted-unread") // it is not what it was taken for
	case d.Changed && d.FD != g.fd: // it goes on in a copy by now
	case d.Changed:
		g.changed = true
	case d.Err != nil:
		a.failed(g, d.Err)
		a.closeFD(g)
		return
	default:
		a.took(f, g, &d)
		a.skipped(f, &d)
	}
	f.again = false
	f.queued = true
	a.ready = append(a.ready, f)
}

// A file that cannot be read is tried again after a while, and after twice as long
// each time.
const (
	retryFirst = time.Second
	retryMost  = time.Minute
)

// failed notes that a generation could not be opened or read.
func (a *agent) failed(g *generation, err error) {
	a.unreadable(g.path, err)
	a.stopUnpacking(g)
	g.wait = min(max(2*g.wait, retryFirst), retryMost)
	g.notBefore = wall.Mono() + int64(g.wait)
}

func (a *agent) took(f *follower, g *generation, d *pipeline.Done) {
	g.wait = 0
	delete(a.unread, g.path)
	f.cursor, f.mark = d.Cursor, d.Mark
	f.idle = 0
	if d.AtEnd {
		f.idle = wall.Now().UnixNano()
	}
	if !g.packed && int64(g.head.Len) < tail.HeadLen && f.cursor.Offset > int64(g.head.Len) {
		if b, err := tail.ReadHead(g.fd, a.head[:]); err == nil {
			g.head = tail.HeadOf(b[:min(int64(len(b)), f.cursor.Offset)])
		}
	}
	a.learn(f, d.Stream)
}

// skipped moves the position over what the server had already.
func (a *agent) skipped(f *follower, d *pipeline.Done) {
	if at := f.at(); !d.Added && at <= f.emit && at > f.acked.Offset {
		f.acked, f.marked = f.parser.Position(at), f.mark
		a.prune(f)
	}
}

// rest lets go of the parser of a stream that has been quiet for a while: what it
// knows is part of the position.
func (f *follower) rest() {
	if f.parser != nil && !f.running && f.at() == f.acked.Offset && f.idle > 0 && wall.Now().Sub(time.Unix(0, f.idle)).Abs() > restAfter {
		f.parser = nil
	}
}

const restAfter = 10 * time.Second

// next puts the cursor at the beginning of the next generation.
func (f *follower) next() {
	f.cur++
	f.cursor, f.mark, f.idle = tail.Cursor{}, tail.Mark{}, 0
}

// advance goes on with the next generation.
func (a *agent) advance(f *follower, g *generation) {
	g.done = true
	g.size = f.cursor.Offset
	if g.copy != nil {
		a.detach(g.copy)
		g.copy = nil
	}
	f.next()
	if g.packed {
		a.unpacked(f, g)
	}
	a.prune(f)
	if f.reading() == nil && f.unmet() {
		a.look(f)
	}
}
