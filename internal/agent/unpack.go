package agent

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// A file that its rotator has compressed is a generation as any other, of which
// offsets count the bytes that are packed in it. Where one known already has the
// same content that one goes on living in the compressed file, so that nothing is
// read twice. One file is unpacked at a time: that bounds memory, and each is read
// from its beginning to its end.

func isPacked(path string) bool { return strings.HasSuffix(path, discover.Compressed) }

// sightPacked looks at one name of a compressed file. It is called when the names
// of files that are not have been looked at.
func (a *agent) sightPacked(f *follower, n *discover.Name, path string, rot int, met map[*generation]bool) (tail.Sighting, *generation) {
	none := tail.Sighting{}
	st, err := tail.StatPath(path)
	if err != nil || !st.Regular || st.Size == 0 {
		return none, nil
	}
	if g := a.knownPacked(st, path); g != nil {
		a.rename(g, n, path, rot, tail.Stat{Size: g.size, Links: st.Links}, met)
		return none, nil
	}
	g, err := a.lookInto(f, path, rot)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.unreadable(path, err)
		}
		return none, nil
	}
	for _, twin := range f.gens {
		if twin.packed || !sameContent(twin, g) {
			continue
		}
		if a.nameless(twin, met) {
			a.moveInto(twin, g)
			a.rename(twin, n, path, rot, tail.Stat{Size: twin.size, Links: st.Links}, met)
		}
		return none, nil // else its own file is read to the end first
	}
	if !a.settled(st) {
		return none, nil // it may be being written; each scan comes back to it
	}
	g.name = n
	// No head is told: others of its stream may begin as it does.
	return tail.Sighting{Path: path, Rotation: rot, Stat: tail.Stat{Key: g.key, Size: g.size}}, g
}

// settled reports whether a compressed file is taken to be whole.
func (a *agent) settled(st tail.Stat) bool {
	age := time.Duration(wall.Now().UnixNano() - st.Written)
	return a.draining || age < 0 || age >= quietDeleted
}

// knownPacked finds the generation that a compressed file is, if it is one already.
func (a *agent) knownPacked(st tail.Stat, path string) *generation {
	if g := a.byKey[st.Key]; g != nil {
		return g
	}
	k := st.Key
	k.Dev = 0
	g := a.restored[k]
	if g == nil {
		return nil
	}
	head, _, err := a.packedHead(path)
	if err != nil || !g.head.Matches(head) {
		return nil
	}
	delete(a.restored, k)
	g.restored, g.packed, g.key = false, true, st.Key
	a.byKey[st.Key] = g
	return g
}

// packedHead reads how the content of a compressed file begins and, if it tells, how
// long it is.
func (a *agent) packedHead(path string) (head []byte, size int64, err error) {
	fd, err := a.openNew(path)
	if err != nil {
		return nil, 0, err
	}
	defer tail.CloseFile(fd)
	n, err := tail.NewUnpacker(fd).ReadAt(a.head[:], 0)
	if err != nil {
		return nil, 0, err
	}
	st, err := tail.StatFD(fd)
	return slices.Clone(a.head[:n]), max(tail.PackedSize(fd, st.Size), int64(n)), err
}

// lookInto makes a generation of a compressed file. It is opened when its turn comes.
func (a *agent) lookInto(f *follower, path string, rot int) (*generation, error) {
	st, err := tail.StatPath(path)
	if err != nil {
		return nil, err
	}
	head, size, err := a.packedHead(path)
	if err != nil {
		return nil, err
	}
	now := wall.Mono()
	g := &generation{
		of: f, key: st.Key, head: tail.HeadOf(head), path: path, rotation: rot, packed: true, begins: head,
		size: max(size, 1), fd: -1, grew: now, used: now,
	}
	g.print = tail.Print(g.key, g.head)
	return g, nil
}

// sameContent reports whether a compressed file holds what a known one held: it
// begins as that did, and is as long where all of that was read.
func sameContent(known, packed *generation) bool {
	switch {
	case known.head.Len == 0 || !known.head.Matches(packed.begins):
		return false
	case known.done:
		return known.size == packed.size || int64(known.head.Len) == tail.HeadLen
	}
	return known.size <= packed.size || int64(known.head.Len) == tail.HeadLen
}

// nameless reports whether nothing leads to a generation any more from which it could
// be read to its end, or it was read already.
func (a *agent) nameless(g *generation, met map[*generation]bool) bool {
	if met[g] {
		return false
	}
	if g.path != "" {
		if st, err := tail.StatPath(g.path); err == nil && st.Key == g.key {
			return false
		}
	}
	return g.done || g.fd < 0 && !g.link && !(g.restored && a.conf.Source.Links())
}

// moveInto has a generation go on living in the compressed file.
func (a *agent) moveInto(g, packed *generation) {
	if a.byKey[g.key] == g {
		delete(a.byKey, g.key)
	}
	k := g.key
	k.Dev = 0
	if a.restored[k] == g {
		delete(a.restored, k)
	}
	a.closeFD(g)
	a.dropLink(g)
	g.key, g.packed, g.restored = packed.key, true, false
	if !g.done {
		g.size = max(g.size, packed.size)
		a.queue(g.of)
	}
	a.byKey[g.key] = g
	a.save(g.of)
}

// mayUnpack reports whether it is the turn of a compressed file; else its stream is
// woken when it is.
func (a *agent) mayUnpack(f *follower, g *generation) bool {
	if a.unpacking == nil {
		a.unpacking = g
	}
	if a.unpacking != g && !f.queued {
		f.queued = true
		a.toUnpack = append(a.toUnpack, f)
	}
	return a.unpacking == g
}

// stopUnpacking lets another file have its turn.
func (a *agent) stopUnpacking(g *generation) {
	if g.unpack = nil; a.unpacking != g {
		return
	}
	a.unpacking = nil
	a.ready = append(a.ready, a.toUnpack...) // the first that still wants to has it
	a.toUnpack = nil
}

// observePacked is observe for a compressed file: there is more until its end was
// seen.
func (a *agent) observePacked(f *follower, g *generation) (tail.Stat, tail.State) {
	s := tail.State{Size: max(g.size, f.cursor.Seen+1), Open: g.fd >= 0, Ended: true, Lost: g.fd < 0 && g.path == ""}
	if s.Lost {
		s.Size = max(g.size, f.cursor.Seen)
	}
	var st tail.Stat
	if g.fd >= 0 {
		st, _ = tail.StatFD(g.fd)
	}
	if g.unpack != nil {
		if size, _, ended := g.unpack.Ended(); ended {
			s.Size = max(size, f.cursor.Seen)
		}
	}
	g.size = s.Size
	return st, s
}

// unpacked is called when a compressed file was read to its end.
func (a *agent) unpacked(f *follower, g *generation) {
	if g.unpack != nil {
		if _, damage, _ := g.unpack.Ended(); damage != nil {
			a.met.drops.WithLabelValues("damaged").Inc()
			a.log.Warn("a compressed file is damaged: what could be read of it is sent", "path", g.path, "error", damage)
			if at := g.base + uint64(g.size); at >= f.emit && !f.passed() {
				a.noteGap(f, "damaged", at, 0)
			}
		}
	}
	a.stopUnpacking(g)
}
