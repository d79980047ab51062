package agent

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/agent/state"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// result takes the answer to a batch: positions move, or streams go back.
func (a *agent) result(r ship.Result) {
	a.unacked -= r.Batch.Added
	a.lost += r.Buried
	a.met.filed.Add(float64(r.Filed))
	a.progress = time.Now()
	if r.Sent {
		a.health.delivered()
	}
	var save []*follower
	for i := range r.Batch.Parts {
		p := &r.Batch.Parts[i]
		f := p.Follower.(*follower)
		if committed, refused := r.Refused[p.File]; refused {
			a.met.refused.Inc()
			a.goBack(f, committed)
			continue
		}
		a.acknowledge(f, p)
		if why, dead := r.Dead[p.File]; dead {
			a.deadLetter(f, p, why)
		}
		save = append(save, f)
	}
	a.met.bytesShipped.Add(float64(len(r.Batch.Body)))
	a.builder.Free(r.Batch)
	a.save(save...)
}

// save records where streams stand.
func (a *agent) save(fs ...*follower) {
	now := wall.Now()
	var records []*state.Stream
	var err error
	for _, f := range fs {
		if !f.named || f.covered {
			continue
		}
		r := f.record(now)
		if f.saved != r.ID {
			err = errors.Join(err, a.unsave(f))
		}
		f.saved = r.ID
		records = append(records, r)
	}
	if len(records) > 0 {
		a.stateResult(errors.Join(err, a.state.Save(records...)))
	}
}

// saveNew records files that came behind those on record.
func (a *agent) saveNew(f *follower, gens []*generation) {
	records := make([]state.Generation, len(gens))
	for i, g := range gens {
		records[i] = g.record()
	}
	a.stateResult(a.state.Add(f.saved, records...))
}

// unsave removes what the state has of a stream.
func (a *agent) unsave(f *follower) error {
	if f.saved == (loki.FileID{}) {
		return nil
	}
	id := f.saved
	f.saved = loki.FileID{}
	return a.state.Forget(id)
}

func (a *agent) acknowledge(f *follower, p *pipeline.Part) {
	if p.To < f.acked.Offset {
		return
	}
	a.acknowledged += p.To - p.From
	a.met.ackedBytes.Add(float64(p.To - p.From))
	a.met.ackedLines.Add(float64(p.Lines))
	f.acked, f.marked = p.Position, p.Mark
	f.anchors = slices.DeleteFunc(append(f.anchors, p.Anchors...), func(x parse.Anchor) bool { return x.Offset < p.To })
	if f.gap != "" && p.Gap != "" && f.gapAt <= p.To {
		f.gap, f.telling = "", false
	}
	a.prune(f)
	f.aging(f.behind())
}

// deadLetter goes on behind a part that the server refuses for good and we kept.
func (a *agent) deadLetter(f *follower, p *pipeline.Part, why string) {
	a.lost++
	a.met.dropLines.WithLabelValues("refused").Add(float64(p.Lines))
	a.met.gaps.WithLabelValues("refused").Inc()
	a.log.Error("the server refuses part of a log file, it is kept in the state directory",
		"session", f.session.name, "stream", f.file.Stream, "from", p.From, "to", p.To, "error", why)
	for _, g := range f.gens {
		g.told = g.told && !(g.begun && g.base == p.From)
	}
	f.missing("refused", p.To)
	f.epoch.Add(1) // parts behind it that wait do not tell the gap
	a.goBack(f, p.To)
}

// goBack makes a stream go on at a logical offset, now or when its reader is done.
func (a *agent) goBack(f *follower, to uint64) {
	if f.running {
		f.rewind = &to
		return
	}
	a.goTo(f, to)
	a.queue(f)
}

// goTo makes a stream go on at a logical offset:
//
//	where it stands acknowledged       → there, with what was known there
//	behind that                        → from there, sending only what lies behind to
//	before that (the server lost some) → from the oldest file there is, likewise
func (a *agent) goTo(f *follower, to uint64) {
	f.epochOf, f.telling = f.epoch.Load(), false
	f.emit = to
	if f.alone && to >= f.gapAt { // only the gap makes the server stand there
		f.gap = ""
	}
	from := f.acked
	mark := f.marked
	if to < f.acked.Offset {
		from, mark = a.earliest(f), tail.Mark{}
		f.acked, f.marked = from, mark
		for _, g := range f.gens {
			g.acked = false
		}
		if from.Offset > to {
			f.missing("server-lost", from.Offset)
			a.log.Error("the server lost lines whose files are gone", "session", f.session.name, "stream", f.file.Stream,
				"bytes", from.Offset-to)
		} else {
			a.log.Warn("the server stands behind what it acknowledged: sending again", "session", f.session.name,
				"stream", f.file.Stream, "from", to)
		}
	}
	a.stand(f, from, mark)
}

// earliest is the first position that can still be read from.
func (a *agent) earliest(f *follower) parse.Position {
	p := parse.Position{}
	for _, g := range f.gens {
		if g.begun {
			p.Offset = g.base
			break
		}
	}
	if p.Offset > 0 {
		p.Parser = f.acked.Parser // the first lines are gone: what they said is all we know
	}
	return p
}

// stand puts the cursor at a position.
func (a *agent) stand(f *follower, p parse.Position, mark tail.Mark) {
	f.cursor, f.mark, f.idle = tail.Cursor{}, tail.Mark{}, 0
	f.cur = 0
	for f.cur < len(f.gens) {
		g := f.gens[f.cur]
		if !g.begun || p.Offset < g.base {
			break
		}
		end := g.base + uint64(g.size)
		last := f.cur+1 == len(f.gens) || !f.gens[f.cur+1].begun
		if !last {
			end = min(end, f.gens[f.cur+1].base) // it may have grown after the next was begun
		}
		if p.Offset < end || (last && !g.done) {
			f.cursor = tail.Cursor{Offset: int64(p.Offset - g.base), Seen: int64(p.Offset - g.base)}
			if f.cursor.Offset > 0 { // else it is of the generation before
				f.mark = mark
			}
			g.done = false
			break
		}
		f.cur++
	}
	for _, g := range f.gens[min(f.cur+1, len(f.gens)):] {
		if g.begun {
			g.begun, g.done = false, false
		}
	}
	if f.parser != nil {
		a.restoreParser(f, p)
	}
}

// learn takes what a file told about its node.
func (a *agent) learn(f *follower, s *parse.Stream) {
	if id := s.NodeID(); id != "" && !f.session.node.Shared && f.session.node.ID == "" && f.file.Component == ray.ComponentRaylet {
		f.session.node.ID = id
		f.session.facts++
	}
}

// entry looks at a name in a session directory for the node's id.
func (a *agent) entry(n *discover.Name, what discover.What) {
	id, ok := ray.NodeIDFromEntry(n.Rel)
	if !ok || what&discover.Vanished != 0 {
		return
	}
	st, err := tail.StatPath(a.path(n))
	s := a.session(n.Session)
	// Two incarnations in one directory leave two ids: the newest is the living one.
	if err != nil || st.Written < s.idAt || s.node.ID == id || s.node.Shared {
		return
	}
	s.idAt, s.node.ID = st.Written, id
	s.facts++
}

// session is the session of that place below the root.
func (a *agent) session(key string) *session {
	s := a.sessions[key]
	if s == nil {
		s = &session{key: key, since: time.Now()}
		s.known = key == "" // files of no session: there is nothing to find out
		if key != "" {
			s.name, s.root = path.Base(key), filepath.Join(a.conf.RayRoot, path.Dir(key))
		}
		if s.node, s.machine, s.placed = a.conf.Node, a.machine, true; key != "" {
			a.settleDown(s, key)
		}
		a.sessions[key] = s
		if key == "" {
			return s
		}
		kept, err := os.ReadDir(filepath.Join(s.root, linksName))
		s.follows = err == nil && len(kept) > 0
		a.roots[s.root] = struct{}{}
		a.log.Info("following a session", "session", key)
	}
	return s
}

func (s *session) kind(given string) string {
	switch {
	case given != "" || s.key == "" || s.node.Shared:
		return given
	case s.head:
		return "head"
	default:
		return "worker"
	}
}

// sweep runs once in ScanEvery, after a scan or, while inotify tells of everything,
// without one: what inotify did not tell is seen after a scan.
func (a *agent) sweep(there, scanned bool) {
	now := time.Now()
	var lag, most int64
	var oldest time.Duration
	files, waiting, rescued := 0, 0, 0
	for f := range a.all {
		a.prune(f)
		f.rest()
		for _, g := range f.gens {
			files++
			if g.link && g.fd < 0 && g.path == "" && g.acked {
				a.dropLink(g)
			}
		}
		g := f.reading()
		switch {
		case f.lonely():
			a.tellGap(f)
		case g != nil && (scanned || f.waits(g)):
			a.grown(f, g)
		case g != nil:
		case len(f.names) == 0 && len(f.gens) == 0 && f.named && !f.running && f.gap == "":
			a.forget(f)
		}
		if n := f.behind(); n > 0 {
			f.aging(n)
			lag += n
			most = max(most, n)
			waiting++
			oldest = max(oldest, time.Duration(wall.Mono()-f.since))
			if g != nil && g.path == "" {
				rescued++
			}
		}
		if scanned && f.unmet() || f.restoredOnly() && there {
			a.look(f)
		}
	}
	a.met.lag.Set(float64(lag))
	a.met.furthest.Set(float64(most))
	a.met.oldest.Set(oldest.Seconds())
	a.met.waiting.Set(float64(waiting))
	a.met.rescued.Set(float64(rescued))
	a.met.files.Set(float64(files))
	a.met.queue.Set(float64(a.builder.Queued()))
	a.budget()
	a.sweepStale(now)
	if there && !a.begun {
		a.begun = true
		a.firstScan()
	} else {
		a.adoptAgain()
	}
	if !a.scanned {
		a.scanned, a.awake = true, time.Now().UnixNano()
	}
	a.health.scanned(now)
	a.slim(now)
}

// What a burst of lines took is given back to the system after a while of quiet.
const (
	slimAfter = 12 * time.Second
	slimEvery = time.Minute
)

// slim gives memory back once nothing has been read for a while.
func (a *agent) slim(now time.Time) {
	if a.bytesRead == a.slimmed || now.Sub(a.lastRound) < slimAfter || now.Sub(a.slimmedAt) < slimEvery || a.unacked > 0 {
		return
	}
	a.slimmed, a.slimmedAt = a.bytesRead, now
	a.builder.Shrink()
	debug.FreeOSMemory()
}

// waits reports whether time alone may decide what becomes of the file being read.
func (f *follower) waits(g *generation) bool {
	return g.wait > 0 || g.fd < 0 && g.path == "" || f.cursor.Seen != f.cursor.Offset || f.cur+1 < len(f.gens)
}

// grown checks by size whether there is something to read.
func (a *agent) grown(f *follower, g *generation) {
	var st tail.Stat
	var err error
	if g.fd >= 0 {
		st, err = tail.StatFD(g.fd)
	} else if g.path != "" {
		st, err = tail.StatPath(g.path)
	} else {
		a.queue(f)
		return
	}
	if err != nil || st.Size != f.cursor.Seen || f.cursor.Seen != f.cursor.Offset || f.cur+1 < len(f.gens) {
		a.queue(f)
	}
}

func (f *follower) restoredOnly() bool {
	for _, g := range f.gens {
		if g.restored {
			return true
		}
	}
	return false
}

// forget drops a stream of which nothing is left.
func (a *agent) forget(f *follower) {
	delete(a.all, f)
	a.leaveSession(f.session)
	if k := (streamKey{f.session.key, f.file.Stream}); a.streams[k] == f {
		delete(a.streams, k)
	}
	a.stateResult(a.unsave(f))
}
