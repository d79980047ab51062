package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/state"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
)

// restore takes up where the last run ended.
func (a *agent) restore(found state.Contents) {
	a.fresh, a.missing = true, found.Fresh || found.Torn > 0 || len(found.Streams) == 0
	switch {
	case found.Torn > 0 && found.Fresh:
		a.log.Warn("the state is damaged and was put aside: the server is asked where files stand", "path", a.conf.State)
	case found.Torn > 0:
		a.log.Info("the end of the state was torn by a crash and is left out", "bytes", found.Torn)
	}
	for _, s := range found.Streams {
		f := a.newFollower(s.Session, a.conf.Source.File(s.Session, s.Name).File)
		f.saved, f.stray = s.ID, s.Stray
		a.missing = a.missing || !s.Asked
		f.acked, f.marked, f.anchors = s.Position, s.Mark, s.Anchors
		f.gap, f.gapAt = s.Gap, s.GapAt
		k := streamKey{s.Session, s.Name}
		if a.streams[k] == nil && !f.stray {
			a.streams[k] = f
		}
		for _, sg := range s.Generations {
			a.restoreGeneration(f, sg)
		}
		f.alone = f.toldAlone()
		a.stand(f, f.acked, f.marked)
		if f.cur < len(f.gens) {
			f.idle = s.At // when what lies behind all that was sent had not been written
		}
		if !s.Asked {
			a.name(f)
			f.file.Rotation = s.Rotation
			continue
		}
		f.file.Rotation = s.Rotation
		f.id, f.named, f.known = s.ID, true, true
		a.toAsk = append(a.toAsk, f)
	}
}

// inFlight is how long after the end of an agent the server may still take what that
// one sent last.
const inFlight = time.Second

// doubtful reports whether to ask again about a stream that the server does not
// know: the agent before this one may have sent it just now, and with the state it
// is forgotten that it did.
func (a *agent) doubtful(f *follower) bool {
	return a.missing && f.session.follows && f.gens[0].key.Birth <= a.born && wall.Mono()-a.heardAt < int64(a.conf.inFlight)
}

// askAgain asks about streams of which the first answer was not to be relied on.
func (a *agent) askAgain() {
	if len(a.doubted) > 0 && wall.Mono()-a.heardAt >= int64(a.conf.inFlight) {
		a.toAsk = append(a.toAsk, a.doubted...)
		a.doubted = nil
	}
}

func (a *agent) restoreGeneration(f *follower, s state.Generation) {
	g := &generation{
		of: f, key: s.Key, head: s.Head, print: s.Print, rotation: s.Rotation, base: s.Base, begun: s.Begun, gap: s.Gap,
		placed: s.Begun, place: s.Base, cut: s.Cut, moment: moment{next: s.Next},
		size: s.Size, done: s.Done, acked: s.Done, fd: -1, restored: true, grew: wall.Mono(),
	}
	if len(g.print) == 0 {
		g.print = nil
	}
	f.gens = append(f.gens, g)
	k := g.key
	k.Dev = 0
	if other := a.restored[k]; other == nil || other.of == f || !s.Done { // else it is read on by the other
		a.restored[k] = g
	}
}

// firstScan deals with what the last run knew and nobody has seen in this one.
func (a *agent) firstScan() {
	a.lookForMissing()
	a.fresh = false
	for k, g := range a.restored {
		delete(a.restored, k)
		g.restored = false
		g.unname()
		st, err := tail.StatPath(a.linkPath(g))
		// A copy that was written over an older one is another file by now, with that one's inode.
		if err == nil && st.Key.Birth == g.key.Birth && st.Key.Ino == g.key.Ino && a.byKey[st.Key] == nil {
			g.link, g.key, g.size = true, st.Key, st.Size
		}
		if a.byKey[g.key] == nil { // a name that leads to it may yet turn up
			a.byKey[g.key] = g
		}
		a.queue(g.of)
	}
	if a.adoptLinks(false) {
		a.adopting = adoptTries
	}
	for f := range a.all {
		a.prune(f)
		for _, g := range f.gens {
			if g.acked {
				a.conf.Spent(g.key.Ino)
			}
			if !g.link && !g.acked && a.byKey[g.key] == g { // though it has lost its name since it was met a moment ago
				if st, err := tail.StatPath(a.linkPath(g)); err == nil && st.Key == g.key {
					g.link = true
				}
			}
		}
	}
	a.sweepLinks()
}

// lookForMissing looks again, by what the directories hold by now, at streams of which
// files were not met: those may have been renamed while their names were looked at.
func (a *agent) lookForMissing() {
	looked, dirs := map[*follower]bool{}, map[string][]os.DirEntry{}
	for _, missing := range a.restored {
		f := missing.of
		i := slices.IndexFunc(f.gens, func(g *generation) bool { return g.path != "" })
		if looked[f] || i < 0 {
			continue
		}
		looked[f] = true
		dir := filepath.Dir(f.gens[i].path)
		entries, ok := dirs[dir]
		if !ok {
			entries, _ = os.ReadDir(dir) // what was told of must do where it cannot be read
			dirs[dir] = entries
		}
		a.lookAmong(f, f.gens[i], entries)
	}
}

// adoptTries is how many sweeps it is waited for word of the names of files that an
// agent kept: some have names that no source follows.
const adoptTries = 3

// adoptAgain looks again at files that an agent kept and that had names of Ray's.
func (a *agent) adoptAgain() {
	if a.adopting == 0 {
		return
	}
	if a.adopting--; !a.adoptLinks(a.adopting == 0) {
		a.adopting = 0
	}
	a.sweepLinks()
}

// answers is what the target said about streams.
type answers struct {
	tenant string
	asked  []*follower
	failed bool          // of a tenant: it is to be asked again, after the others
	count  []int         // identities asked about, of each
	first  []*generation // the oldest file of each that was asked about, if any
	ask    loki.OffsetsRequest
	found  loki.OffsetsResponse
	wire   parse.Wire
}

// ask asks the target where streams stand, until it answers. Nothing is read
// before: only the answer tells whether it is our server or a Loki.
func (a *agent) ask(ctx context.Context) {
	if a.asking || (a.wired && len(a.toAsk) == 0) || (!a.wired && !a.scanned && a.fresh) {
		return
	}
	x := answers{}
	if x.asked, x.tenant = a.nextToAsk(); a.wired && len(x.asked) == 0 {
		return
	}
	a.asking = true
	for _, f := range x.asked {
		ids := a.candidates(f)
		x.ask.Files, x.count = append(x.ask.Files, ids...), append(x.count, len(ids))
		x.first = append(x.first, f.oldest())
		if !f.known {
			for _, g := range f.gens {
				x.ask.Generations = append(x.ask.Generations, tail.Print(g.key, g.head))
			}
			for _, k := range f.empty { // the server may have what it held, of which copies are here
				x.ask.Generations = append(x.ask.Generations, tail.Print(k, tail.Head{}))
			}
		}
	}
	go a.askUntilAnswered(ctx, x)
}

// wireNames are what a target is called.
var wireNames = map[parse.Wire]string{parse.Remora: "remora", parse.Loki: "loki"}

// askAtMost is the longest wait between two questions.
const askAtMost = 10 * time.Second

func (a *agent) askUntilAnswered(ctx context.Context, x answers) {
	for wait := a.conf.MinWait; ctx.Err() == nil; wait = min(2*wait, a.conf.MaxWait, askAtMost) {
		found, wire, err := a.offsets(ctx, &x)
		if n, asked := len(found.Files), len(x.ask.Files); err == nil && wire == parse.Remora && found.Files != nil && asked > 0 && n != asked {
			err = fmt.Errorf("the server answered %d files of %d", n, asked)
		}
		if err == nil {
			x.found, x.wire = found, wire
			select {
			case a.answers <- x:
			case <-ctx.Done():
			}
			return
		}
		a.log.Warn("cannot ask the server where files stand, trying again", "error", err, "in", wait)
		if x.tenant != "" {
			x.failed = true
			select {
			case a.answers <- x:
			case <-ctx.Done():
			}
			return
		}
		a.health.failed()
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// candidates are the identities a stream may have on the server: for one that the
// state knows its own, else one for each generation that may have been the first.
func (a *agent) candidates(f *follower) []loki.FileID {
	if f.known || len(f.gens) == 0 {
		return []loki.FileID{f.id}
	}
	ids := make([]loki.FileID, 0, len(f.gens))
	for _, g := range f.gens {
		ids = append(ids, identity(f.session.machine, f.session.name, f.file, g.key))
	}
	for _, k := range f.empty { // one that was cut, say, of which copies are here
		ids = append(ids, identity(f.session.machine, f.session.name, f.file, k))
	}
	return ids
}

func (a *agent) answered(x answers) {
	a.asking = false
	if x.failed {
		a.shutOut(x)
		return
	}
	delete(a.shut, x.tenant)
	if a.unacked == 0 {
		a.health.delivered() // there is nothing that it might not take
	}
	if !a.wired {
		a.wired, a.wire, a.heardAt = true, x.wire, wall.Mono()
		a.deaf = x.wire == parse.Remora && x.found.Files == nil
		a.log.Info("the server answers", "kind", a.kind())
	}
	by := heldBy(x.found.Found)
	taken := map[loki.FileID]*follower{}
	for f := range a.all {
		if f.named && (f.asked || f.known) {
			taken[f.id] = f
		}
	}
	at, found := 0, 0
	var save []*follower
	for i, f := range x.asked {
		n := x.count[i]
		if f.asked { // it was asked about twice, as older files turned up
			at += n
			continue
		}
		if !f.known && f.oldest() != x.first[i] {
			// Older files have turned up since: the server may know the stream by those.
			at += n
			f.named = false
			a.name(f)
			save = append(save, f)
			continue
		}
		f.asked = true
		if at+n <= len(x.found.Files) {
			a.placeByServer(f, x.found.Files[at:at+n], by, taken)
		}
		at += n
		if !f.covered {
			taken[f.id] = f
		}
		save = append(save, f)
		if !f.known && f.emit > 0 {
			found++
		}
		a.queue(f)
	}
	if found > 0 {
		a.log.Info("the server knows files that the state does not: going on where it stands", "streams", found)
	}
	a.save(save...)
}
