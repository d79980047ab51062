package agent

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

// A stream of which the state knows nothing may be on the server all the same: the
// state was lost. Its place is found by what its files are. The server is asked by
// each identity that the stream may have, and by the fingerprint of each file, as
// the file of which the identity was made may be gone. An answer counts where
//
//   - the identity is this stream's: made of this machine, session and path, and of
//     a generation that the server lists for it or that is here; and
//   - a file here has the inode and the birth time of one of its generations, and
//     begins with the bytes that were hashed; or it is a copy of one that was cut.

// candidate is a file of the server that a stream is, with where its generations
// begin in it.
type candidate struct {
	loki.FileOffsets
	known  []*loki.Generation // of each of the stream's, nil where the server has none
	first  int                // indexes of generations that the server has
	newest int
	reach  int64 // how far it is committed, counted from the oldest byte that is here
}

// held is what the server knows of files by the inodes and birth times of their
// generations.
type held map[tail.Key][]*loki.FileOffsets

// heldBy sorts an answer. A file may be in it several times, each time with the
// generations of one request.
func heldBy(found []loki.FileOffsets) held {
	files := map[loki.FileID]*loki.FileOffsets{}
	for _, o := range found {
		f := files[o.File]
		if f == nil {
			f = &loki.FileOffsets{File: o.File}
			files[o.File] = f
		}
		f.Committed = max(f.Committed, o.Committed)
		for _, g := range o.Generations {
			if !slices.ContainsFunc(f.Generations, func(x loki.Generation) bool { return bytes.Equal(x.Fingerprint, g.Fingerprint) }) {
				f.Generations = append(f.Generations, g)
			}
		}
	}
	h := held{}
	for _, f := range files {
		slices.SortStableFunc(f.Generations, func(x, y loki.Generation) int { return cmp.Compare(x.Base, y.Base) })
		for _, g := range f.Generations {
			if k, ok := tail.KeyOf(g.Fingerprint); ok && !slices.Contains(h[k], f) {
				h[k] = append(h[k], f)
			}
		}
	}
	return h
}

// placeByServer makes a stream go on where the server stands. taken are the
// identities that other streams have.
func (a *agent) placeByServer(f *follower, asked []loki.FileOffsets, by held, taken map[loki.FileID]*follower) {
	for _, g := range f.gens {
		a.beginsNow(g)
	}
	if f.known {
		if a.outdated(f, asked[0]) {
			a.rebuild(f, asked[0])
			return
		}
		a.recognise(f, asked[0])
		c := asked[0].Committed
		if g := f.newest(); g != nil && g.begun && g.rotation == 0 && !g.done && c > g.base+uint64(g.grownTo()) {
			g.changed = true // the server has more of it than there is
		}
		if c != f.acked.Offset {
			a.goBack(f, c)
		}
		return
	}
	var best *candidate
	for _, c := range a.candidatesOf(f, asked, by) {
		switch other := taken[c.File]; {
		case other != nil && other != f && f.stray && c.reach >= f.size():
			a.cover(f)
			return
		case (other == nil || other == f) && (best == nil || c.reach > best.reach):
			best = c
		}
	}
	if (best == nil || best.reach < f.size()) && a.doubtful(f) {
		// The rest may come yet, with times that nobody knows any more.
		f.asked = false
		a.doubted = append(a.doubted, f)
		return
	}
	if best != nil {
		a.adopt(f, best)
		return
	}
	if other := taken[f.id]; other != nil && other != f {
		f.id = strayID(f.id)
	}
	for _, o := range asked {
		if o.File == f.id && o.Committed > 0 && !f.doubted && len(f.gens) > 0 {
			// It may have been cut just now, and word of its copy is on its way.
			f.doubted, f.asked = true, false
			a.doubted = append(a.doubted, f)
			a.lookBeside(f, f.newest())
			return
		}
		if o.File == f.id && o.Committed > 0 {
			// Another file had this one's inode and birth time, or it was cut.
			f.acked, f.emit = parse.Position{Offset: o.Committed}, o.Committed
			a.stateLost(f, o.Committed)
			return
		}
	}
	if a.missing && f.file.Rotation > 0 && a.conf.Source.Links() && a.wire == parse.Remora && !a.deaf {
		// Its first bytes may be on the server under a name that nobody knows any more.
		a.stateLost(f, 0)
	}
}

// cover ends a stray of which all is on the server by the stream it belongs to.
func (a *agent) cover(f *follower) {
	f.covered = true
	f.cur, f.cursor = len(f.gens), tail.Cursor{}
	for _, g := range f.gens {
		g.done, g.acked = true, true
		a.closeFD(g)
		a.dropLink(g)
	}
	a.stateResult(a.unsave(f))
}

// strayID is the identity of a stray whose own is another stream's.
func strayID(id loki.FileID) loki.FileID { return derived(id, "stray") }

// recognise learns from the server by what fingerprints it has the files of a stream
// that the state knows. The state may be older than what was sent.
func (a *agent) recognise(f *follower, o loki.FileOffsets) {
	for _, g := range f.gens {
		if k := a.generationOf(g, o); k != nil {
			g.print, g.told = k.Fingerprint, true
			if !g.begun {
				g.placed, g.place = true, k.Base
			}
		}
	}
	a.putBack(f)
}

// putBack takes files that the server has before those that they were put behind to
// their places: they were taken for files not known yet.
func (a *agent) putBack(f *follower) {
	moved := false
	for i := 1; i < len(f.gens); i++ {
		g := f.gens[i]
		if g.begun || !g.placed {
			continue
		}
		j := slices.IndexFunc(f.gens[:i], func(x *generation) bool { return x.begun && x.base > g.place })
		if j < 0 {
			continue
		}
		g.begun, g.base, g.done, g.acked = true, g.place, true, true
		g.size = min(g.size, int64(f.gens[j].base-g.base))
		f.gens = slices.Insert(slices.Delete(f.gens, i, i+1), j, g)
		moved = true
	}
	if moved {
		a.stand(f, f.acked, f.marked)
	}
}

func (a *agent) stateLost(f *follower, at uint64) {
	f.missing("state-lost", at)
	a.met.gaps.WithLabelValues("state-lost").Inc()
	a.log.Warn("the server does not know what is there of a log file: some of it may be on the server twice or be missing",
		"session", f.session.name, "stream", f.file.Stream)
}

// candidatesOf are the files of the server that a stream is. More than one when
// the state was lost before and the place was not found then.
func (a *agent) candidatesOf(f *follower, asked []loki.FileOffsets, by held) []*candidate {
	var all []*candidate
	seen := map[loki.FileID]bool{}
	for _, o := range asked {
		if o.Committed > 0 && !seen[o.File] {
			seen[o.File] = true
			if c := a.fit(f, o); c != nil {
				all = append(all, c)
			}
		}
	}
	keys := slices.Clone(f.empty) // of what these held there may be copies
	for _, g := range f.gens {
		keys = append(keys, g.key)
	}
	for _, k := range keys {
		for _, o := range by[tail.Key{Ino: k.Ino, Birth: k.Birth}] {
			if seen[o.File] {
				continue
			}
			seen[o.File] = true
			if c := a.fit(f, *o); c != nil && a.ours(f, *o) {
				all = append(all, c)
			}
		}
	}
	return all
}

// ours reports whether a file of the server is this machine's, of this session and
// path: two pods may have files of one inode, birth time and beginning.
func (a *agent) ours(f *follower, o loki.FileOffsets) bool {
	return slices.ContainsFunc(o.Generations, func(g loki.Generation) bool {
		k, ok := tail.KeyOf(g.Fingerprint)
		return ok && identity(f.session.machine, f.session.name, f.file, k) == o.File
	})
}

// fit finds the stream's generations among those of a file of the server; nil
// where there is none.
func (a *agent) fit(f *follower, o loki.FileOffsets) *candidate {
	c := &candidate{FileOffsets: o, known: make([]*loki.Generation, len(f.gens)), first: -1}
	var before int64
	for i, g := range f.gens {
		k := a.generationOf(g, o)
		if k != nil && cutSince(g, *k, o.Committed) && i+1 == len(f.gens) {
			k = nil
		}
		if k == nil {
			k = a.copyOf(f, g, o)
		}
		if k != nil {
			if c.known[i], c.newest = k, i; c.first < 0 {
				c.first = i
			}
			c.reach = int64(o.Committed-k.Base) + before
		}
		before += g.size
	}
	if c.first >= 0 {
		return c
	}
	for i, g := range f.gens {
		// The server was not told of how it begins: its name must do.
		if len(o.Generations) == 0 && identity(f.session.machine, f.session.name, f.file, g.key) == o.File {
			c.known[i], c.first, c.newest = &loki.Generation{}, i, i
			c.reach = int64(o.Committed)
			return c
		}
	}
	return nil
}

// copyOf finds the generation of a file of the server of which g is a copy, made before
// that was cut: another file of the stream has its inode and begins otherwise, or is
// shorter than what the server has; g begins as it did and holds all that the server has.
func (a *agent) copyOf(f *follower, g *generation, o loki.FileOffsets) *loki.Generation {
	if g.rotation == 0 || g.packed {
		return nil
	}
	end := o.Committed
	for i, x := range slices.Backward(o.Generations) {
		k, n, sum, ok := loki.ReadFingerprint(x.Fingerprint)
		has := int64(end - min(end, x.Base))
		end = x.Base
		h := tail.Head{Len: n, Sum: sum}
		if !ok || n == 0 || has == 0 || k.Inode == g.key.Ino && k.Birth == g.key.Birth {
			continue
		}
		cut := slices.ContainsFunc(f.empty, func(of tail.Key) bool { return of.Ino == k.Inode && of.Birth == k.Birth }) ||
			slices.ContainsFunc(f.gens, func(of *generation) bool {
				return of.key.Ino == k.Inode && of.key.Birth == k.Birth && (of.size < has || !h.Matches(a.headOf(of)))
			})
		if !cut {
			continue
		}
		if head := a.headOf(g); h.Matches(head) && g.size >= has {
			return &o.Generations[i]
		}
	}
	return nil
}

// cutSince reports whether less is there of a file that is being written than the
// server has of it.
func cutSince(g *generation, k loki.Generation, committed uint64) bool {
	return g.rotation == 0 && committed > k.Base+uint64(g.was().size)
}

// generationOf finds the newest generation of a file of the server that g is.
func (a *agent) generationOf(g *generation, o loki.FileOffsets) *loki.Generation {
	var head []byte
	for i, x := range slices.Backward(o.Generations) {
		of, ok := tail.KeyOf(x.Fingerprint)
		switch {
		case !ok || of.Ino != g.key.Ino || of.Birth != g.key.Birth:
			continue
		case g.path == "" && g.fd < 0 && !g.link && bytes.Equal(x.Fingerprint, g.print):
			return &o.Generations[i] // it is gone: what the state knows of it must do
		case head == nil:
			if head = a.headOf(g.was()); head == nil {
				return nil
			}
		}
		if tail.PrintMatches(x.Fingerprint, g.key, head) {
			return &o.Generations[i]
		}
	}
	return nil
}

// beginsNow looks again how a file begins of which nothing was read or sent: while the
// server was asked it may have been cut, or another copy made over it.
func (a *agent) beginsNow(g *generation) {
	if g.begun || g.placed || g.packed || g.copy != nil || g.path == "" {
		return
	}
	if head := a.headOf(g); len(head) > 0 && !g.head.Matches(head) {
		g.head = tail.HeadOf(head)
		g.print = tail.Print(g.key, g.head)
	}
}

// headOf reads how a file begins now, nil where it cannot be read.
func (a *agent) headOf(g *generation) []byte {
	if g.fd < 0 && a.open(g) != nil {
		return nil
	}
	if g.packed {
		head, _, err := a.packedHead(g.path)
		if err != nil {
			return nil
		}
		return head
	}
	if st, err := tail.StatFD(g.fd); err == nil && !g.done {
		g.size = st.Size
	}
	head, err := tail.ReadHead(g.fd, a.head[:])
	if err != nil {
		return nil
	}
	return head
}

// adopt takes a file of the server for the stream's: its identity, its generations'
// bases, and reading from the oldest file that is there, so that what its lines say
// is known, sending only what the server lacks.
func (a *agent) adopt(f *follower, c *candidate) {
	f.id, f.emit = c.File, c.Committed
	for i, k := range c.known {
		if k != nil {
			g := f.gens[i]
			g.placed, g.place = true, k.Base
			if len(k.Fingerprint) > 0 {
				g.print, g.told = k.Fingerprint, true
			}
		}
	}
	base := c.known[c.first].Base
	for _, g := range f.gens[:c.first] { // older than any the server remembers
		base -= min(base, uint64(g.size))
	}
	f.gens[0].base, f.gens[0].begun = base, true
	f.acked = parse.Position{Offset: base}
	newest := f.gens[c.newest]
	if end := newest.place + uint64(newest.size); c.Committed > end {
		a.stateLost(f, c.Committed) // of what the server has behind it nothing is here
	}
	a.stand(f, f.acked, tail.Mark{})
	a.log.Debug("found the place of a log file again", "session", f.session.name, "stream", f.file.Stream,
		"committed", c.Committed, "from", base)
}

// passed reports whether a generation behind the one being read is on the server,
// and with it all there is to send of this one.
func (f *follower) passed() bool {
	return f.cur < len(f.gens) && slices.ContainsFunc(f.gens[f.cur+1:], func(g *generation) bool { return g.placed && g.place <= f.emit })
}
