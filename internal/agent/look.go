package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/ray"
)

// skipped marks names that hold no lines to follow.
type skipped struct{}

// news takes what the watcher tells.
func (a *agent) news(n discover.News) {
	if n.Blind {
		a.era++
		a.blind = true
	}
	var look []*follower
	for _, e := range n.Events {
		if f := a.event(e); f != nil && !f.look {
			f.look = true
			look = append(look, f)
		}
	}
	if a.blind && n.Scanned { // a scan tells of names, not of what they lead to now
		a.blind = false
		for f := range a.all {
			if len(f.names) > 0 && !f.look {
				look = append(look, f)
			}
		}
	}
	for _, f := range look {
		a.look(f)
	}
	if n.Scanned {
		a.there = n.Missing == nil
		a.health.root(n.Missing)
	}
	if n.Scanned || n.Rested {
		a.sweep(a.there, n.Scanned)
	}
}

// event returns the follower whose names must be looked at, if any.
func (a *agent) event(e discover.Event) *follower {
	if e.Name.Entry {
		a.entry(e.Name, e.What)
		return nil
	}
	f := a.followerOf(e.Name)
	if f == nil {
		return nil
	}
	if a.rotation(e.Name) == 0 {
		f.turns += int64(e.Turns)
	}
	switch {
	case e.What&discover.Vanished != 0:
		f.names = slices.DeleteFunc(f.names, func(n *discover.Name) bool { return n == e.Name })
	case e.What&discover.Appeared != 0:
		if !slices.Contains(f.names, e.Name) {
			f.names = append(f.names, e.Name)
		}
	default:
		a.lastGrowth = time.Now()
		f.aging(1)
		a.glance(f, e.Name)
		if g := f.reading(); g != nil && g.name == e.Name {
			a.queue(f)
			return nil
		}
	}
	return f
}

func (a *agent) followerOf(n *discover.Name) *follower {
	switch x := n.Data.(type) {
	case *follower:
		return x
	case skipped:
		return nil
	}
	file := a.conf.Source.File(n.Session, n.Rel).File
	a.session(n.Session).saw(n.Rel)
	if file.Skip != "" {
		n.Data = skipped{}
		return nil
	}
	k := streamKey{n.Session, file.Stream}
	f := a.streams[k]
	if f == nil {
		f = a.newFollower(n.Session, file)
		a.streams[k] = f
	}
	n.Data = f
	return f
}

func (a *agent) newFollower(session string, file ray.File) *follower {
	f := &follower{session: a.sessionOf(session, file), file: file}
	f.file.Path, f.file.Rotation = f.file.Stream, 0
	a.all[f] = struct{}{}
	f.session.streams++
	return f
}

// look finds out which files the names of a stream lead to now, takes hold of the
// new ones and puts them where they belong.
func (a *agent) look(f *follower) {
	f.look = false
	a.sortNames(f)
	met, seen, held := a.sightAll(f)
	if len(held) > 0 && a.incomplete(f, met) {
		if more := a.untold(f); len(more) > 0 {
			for _, g := range held {
				a.closeFD(g)
			}
			told := f.names
			f.names = slices.Concat(told, more)
			a.sortNames(f)
			met, seen, held = a.sightAll(f)
			f.names = told // of the others the watcher will tell
		}
	}
	seen, held = a.cutWhileAway(f, seen, held, met)
	a.unname(f, met)
	a.place(f, seen, held, met)
	if f.reading() != nil {
		a.queue(f)
	}
	a.prune(f)
}

// sortNames brings the names of a stream into the order in which they are looked at.
func (a *agent) sortNames(f *follower) {
	// Lower rotation numbers first: a file that is renamed meanwhile is then met
	// twice, never missed.
	slices.SortFunc(f.names, func(x, y *discover.Name) int {
		if p := isPacked(x.Rel); p != isPacked(y.Rel) {
			return map[bool]int{true: 1, false: -1}[p] // compressed ones last
		}
		return a.rotation(x) - a.rotation(y)
	})
}

// sightAll looks at each name of a stream. met are the files that have one, held those of
// them that are not known yet, each with what was seen of it.
func (a *agent) sightAll(f *follower) (met map[*generation]bool, seen []tail.Sighting, held []*generation) {
	f.empty = f.empty[:0]
	met = map[*generation]bool{}
	for _, n := range f.names {
		a.starved = false
		s, g := a.sight(f, n, met)
		if a.starved && len(held) > 0 {
			// Those before it are newer: to take them alone would put this one out of its place.
			for _, newer := range held {
				a.closeFD(newer)
				delete(met, newer)
			}
			seen, held = nil, nil
			s, g = a.sight(f, n, met)
		}
		if g != nil {
			met[g] = true
			seen, held = append(seen, s), append(held, g)
		}
	}
	return met, seen, held
}

// incomplete reports whether a file of the chain may have a name of which word is still
// on its way, as several are renamed in one turn: a number is missing among the names, or
// the newest file that is known has lost its own.
func (a *agent) incomplete(f *follower, met map[*generation]bool) bool {
	numbers := make([]int, len(f.names))
	for i, n := range f.names {
		numbers[i] = a.rotation(n)
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] > numbers[i-1]+1 {
			return true
		}
	}
	newest := f.newest()
	return newest != nil && newest.rotation != nameless && !met[newest]
}

// untold are names of the stream, in the directory of one of them, of which nobody has told.
func (a *agent) untold(f *follower) []*discover.Name {
	dir, base := filepath.Split(a.path(f.names[0]))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // what was told of must do
	}
	return a.namesAmong(f, dir, base, entries)
}

// lookBeside looks for a copy of a file that was cut, of which nobody has told yet.
func (a *agent) lookBeside(f *follower, g *generation) {
	var entries []os.DirEntry
	if g.path != "" {
		entries, _ = os.ReadDir(filepath.Dir(g.path)) // else what was told of must do
	}
	a.lookAmong(f, g, entries)
}

// lookAmong looks at a stream's names and at those in a file's directory of which nobody
// has told yet.
func (a *agent) lookAmong(f *follower, g *generation, entries []os.DirEntry) {
	told := f.names
	dir, base := filepath.Split(g.path)
	f.names = slices.Concat(told, a.namesAmong(f, dir, base, entries))
	a.look(f)
	f.names = told // of the others the watcher will tell
}

// namesAmong are names of the stream, of which nobody has told, among the entries of the
// directory in which base is one of its names.
func (a *agent) namesAmong(f *follower, dir, base string, entries []os.DirEntry) (names []*discover.Name) {
	begins, _, _ := strings.Cut(base, ".") // the number is behind that
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), begins) || !e.Type().IsRegular() {
			continue
		}
		n := a.conf.Source.Name(filepath.Join(dir, e.Name()))
		if n == nil || n.Session != f.session.key || a.conf.Source.File(n.Session, n.Rel).Stream != f.file.Stream {
			continue
		}
		if !slices.ContainsFunc(f.names, func(x *discover.Name) bool { return x.Rel == n.Rel }) {
			names = append(names, n)
		}
	}
	return names
}

func (a *agent) rotation(n *discover.Name) int {
	return a.conf.Source.File(n.Session, n.Rel).Rotation
}

// late deals with a generation that grew after it was taken to be complete.
func (a *agent) late(g *generation, size int64) {
	f := g.of
	i := slices.Index(f.gens, g)
	if i < 0 || f.running {
		a.settle(f)
		return
	}
	if f.covered || i+1 < len(f.gens) && f.gens[i+1].begun {
		if g.acked { // else it may have to be sent again, and is looked at then
			a.readOn(f, g)
		}
		return
	}
	g.done, g.acked, g.grew = false, false, wall.Mono()
	f.cur, f.cursor = i, tail.Cursor{Offset: g.size, Seen: g.size}
	f.mark = tail.Mark{}
	g.size = size
	a.queue(f)
}

// unname takes their name from generations that it does not lead to any more.
func (a *agent) unname(f *follower, met map[*generation]bool) {
	for _, g := range f.gens {
		if met[g] || g.path == "" || g.restored {
			continue
		}
		if st, err := tail.StatPath(g.path); err == nil && st.Key == g.key {
			continue // another stream's name leads to it
		}
		g.unname()
		if g.done && g.acked {
			continue
		}
		a.settle(f)
	}
}

// place puts new generations where they belong in the stream's chain. met are those
// that had a name when they were looked for.
func (a *agent) place(f *follower, seen []tail.Sighting, held []*generation, met map[*generation]bool) {
	if len(seen) == 0 {
		if a.join(f, met) {
			a.save(f)
		}
		return
	}
	known := make([]tail.Known, len(f.gens))
	for i, g := range f.gens {
		known[i] = tail.Known{Rotation: g.rotation, Begun: g.begun, Cut: g.cut, Head: g.head}
		if a.byKey[g.key] == g { // else another file has its inode, or was written over it
			known[i].Key = g.key
		}
		if g.restored {
			// By now it has a higher number or is gone; what nobody knew then is newer.
			known[i].Rotation = nameless
		}
	}
	first, last, inserted := f.oldest(), f.newest(), 0
	used := map[*generation]bool{}
	for _, p := range tail.Order(known, seen) {
		g := held[p.Sighting]
		used[g] = true
		a.byKey[g.key] = g
		a.keepLink(g)
		switch {
		case p.Copy >= 0:
			a.copied(f, f.gens[p.Copy+inserted], g)
		case p.Stray:
			a.stray(g)
		default:
			f.gens = slices.Insert(f.gens, p.Before+inserted, g)
			inserted++
			if next := f.newest(); g.rotation > 0 && next.rotation == 0 {
				next.saved++
			}
		}
	}
	for _, g := range held {
		if !used[g] {
			a.closeFD(g)
		}
	}
	if f.oldest() != first && f.named && !f.known {
		f.named = false // nothing of it was sent yet: its identity is made of the oldest
		f.acked, f.emit, f.gap = parse.Position{}, 0, ""
	}
	a.name(f)
	a.join(f, met)
	// Whose second name it is must be known even if we are killed before it is read.
	switch {
	case inserted == 0:
	case last != nil && inserted < len(f.gens) && f.gens[len(f.gens)-inserted-1] == last && f.saved == f.recordID():
		a.saveNew(f, f.gens[len(f.gens)-inserted:])
	default:
		a.save(f)
	}
}

// copied deals with a copy of a file, which is made before that is cut. One that
// turns up when reading has gone on already is read where the other ended.
func (a *agent) copied(f *follower, orig, g *generation) {
	if !orig.cut {
		if orig.copy != nil {
			a.detach(orig.copy)
		}
		orig.copy, g.copies = g, orig
		return
	}
	if i := slices.Index(f.gens, orig); !orig.done && i+1 < len(f.gens) && !f.gens[i+1].begun {
		orig.cut = false
		a.takeCopy(orig, g)
		return
	}
	at := uint64(orig.size)
	s := a.newFollower(f.session.key, f.file)
	s.stray, s.gens, g.of = true, []*generation{g}, s
	s.id, s.named, s.asked = strayID(identity(f.session.machine, f.session.name, f.file, g.key)), true, true
	if uint64(g.size) <= at {
		a.cover(s)
		return
	}
	a.log.Info("the copy of a file that was truncated holds more than was read of it", "path", g.path, "bytes", uint64(g.size)-at)
	g.begun = true
	s.acked = parse.Position{Offset: at, Parser: f.acked.Parser}
	s.missing("copied", at)
	a.stand(s, s.acked, tail.Mark{})
	a.save(s)
	a.queue(s)
}

// stray begins a stream of its own for an older file that turned up after newer
// ones of its stream had been begun.
func (a *agent) stray(g *generation) {
	a.log.Info("an older file turned up late: it is followed as a stream of its own", "path", g.path)
	f := a.newFollower(g.of.session.key, g.of.file)
	f.stray = true
	if a.unknowable(g) { // it came in this run, late: others may have come and gone before it
		f.missing("rotated-unseen", 0)
		f.gapSince = wall.Mono()
	}
	f.gens = []*generation{g}
	g.of = f
	a.name(f)
	a.save(f)
	a.queue(f)
}

// name gives a stream its identity once its first generation is known.
func (a *agent) name(f *follower) {
	if f.named || len(f.gens) == 0 {
		return
	}
	f.id, f.named = identity(f.session.machine, f.session.name, f.file, f.gens[0].key), true
	f.file.Rotation = f.gens[0].rotation // the parser must know whether the first lines are there
	if f.asked = a.unknowable(f.gens[0]); !f.asked {
		a.toAsk = append(a.toAsk, f)
	}
}

// unknowable reports whether no earlier run can have sent anything of a file: it is
// younger than this one. The first scan is not so sure: the clock may have been set.
func (a *agent) unknowable(g *generation) bool {
	return !a.fresh && g.key.Birth > a.born
}

// detach forgets that a file is g.
func (a *agent) detach(g *generation) {
	if a.byKey[g.key] == g {
		delete(a.byKey, g.key)
	}
	a.closeFD(g)
	g.unname()
}

// saw learns from the names of files what kind of node this is.
func (s *session) saw(rel string) {
	s.files++
	base := rel[strings.LastIndexByte(rel, '/')+1:]
	switch {
	case strings.HasPrefix(base, "gcs_server"):
		s.known = true
		if !s.head {
			s.head = true
			s.facts++
		}
	case strings.HasPrefix(base, "raylet."):
		s.known = true // the head's gcs_server comes before its raylet
	}
}
