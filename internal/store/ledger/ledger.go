// Package ledger judges pushes: which of their lines are new, which are there
// already, which must wait for lines before them. It does no I/O and reads no
// clock; the same pushes in the same order always get the same decisions, so a
// replay of the journal judges as the first run did.
//
// Invariant: the committed offset of a file never falls, and a line below it
// is never decided to be stored.
package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/loki"
)

// Window is how long a batch of a client that sends no file ranges is
// remembered: one that equals it and comes within it is a repeat.
const Window = time.Hour

// maxGenerations is how many generations of one file are remembered: the first,
// of which the file's identity was made, and the newest. An agent asks for the few
// that may still be on its disk.
const maxGenerations = 64

// Hash identifies one stream's batch: its labels and entries.
type Hash [16]byte

// Ledger holds what is committed. It is not safe for concurrent use. Make one
// with New.
type Ledger struct {
	tenants map[string]*tenant
	nextRow uint64
}

type tenant struct {
	files   map[loki.FileID]*file
	holders map[loki.GenerationKey][]loki.FileID // files that remember such a generation
	batches map[Hash]int64                       // → Unix nanoseconds of arrival
	expiry  []arrival                            // batches in order of arrival
}

type arrival struct {
	at   int64
	hash Hash
}

type file struct {
	committed   uint64
	generations []loki.Generation
}

// New returns a ledger in which nothing is committed. Row numbers begin at 1.
func New() *Ledger { return &Ledger{tenants: make(map[string]*tenant), nextRow: 1} }

// Part is one stream of a push as the ledger needs to know it.
type Part struct {
	Range *loki.FileRange // nil for clients that send none: then Hash counts
	Hash  Hash
	Lines int
}

// Verdict says what to do with one part.
type Verdict struct {
	Action Action
	// From is the offset from which on lines are new (Cut, Gap and Store of a
	// file's part).
	From uint64
	// GapFrom is where the missing bytes begin; they end at Range.From (Gap).
	GapFrom uint64
	// Row is the number of the part's first row (parts without a range).
	Row uint64
}

// Action is what to do with the lines of a part.
type Action uint8

// The verdicts' actions.
const (
	Done   Action = iota // all is there already
	Store                // all lines are new
	Cut                  // only lines with offset ≥ From are new
	Gap                  // all lines are new, and a gap line goes before them
	Refuse               // bytes are missing before Range.From
)

func (a Action) String() string {
	return [...]string{"done", "store", "cut", "gap", "refuse"}[a]
}

// Decision is what Judge decided about a whole push. Undo takes it back.
type Decision struct {
	Parts    []Verdict
	Refused  []loki.FileOffset // each file once, in order of first sight
	FirstRow uint64            // number of the first row given out, or to be given out next
	undo     []func()
}

// News reports whether the push changes anything: only then it must be kept.
func (d *Decision) News() bool {
	return slices.ContainsFunc(d.Parts, func(v Verdict) bool { return v.Action != Done && v.Action != Refuse })
}

// Judge decides about a push that arrived at the time received and commits the
// decision. Parts of the same file are judged one after the other, but what is
// there already is what was there before the push: an agent may split one range
// of a file over several streams.
func (l *Ledger) Judge(tenantName string, received time.Time, parts []Part) *Decision {
	t := l.tenant(tenantName)
	at := received.UnixNano()
	first := l.nextRow
	d := &Decision{Parts: make([]Verdict, len(parts)), FirstRow: first}
	d.undo = append(d.undo, func() { l.nextRow = first })
	before := make(map[loki.FileID]uint64, len(parts))
	fresh := make([]Hash, 0, len(parts))
	for i := range parts {
		p := &parts[i]
		if p.Range == nil {
			d.Parts[i] = l.judgeBatch(t, p, at, &fresh)
			continue
		}
		d.Parts[i] = t.judgeFile(p.Range, before, d)
	}
	for _, h := range fresh {
		t.remember(h, at, d)
	}
	// Twice the window: a push that was long on its way is judged by its own
	// time, and what it must be compared with is still there.
	t.forget(at - 2*int64(Window))
	return d
}

// Undo takes back decisions. They must be the last ones made, newest first.
func (l *Ledger) Undo(d *Decision) {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
	d.undo = nil
}

func (l *Ledger) tenant(name string) *tenant {
	t := l.tenants[name]
	if t == nil {
		t = &tenant{
			files: make(map[loki.FileID]*file), holders: make(map[loki.GenerationKey][]loki.FileID),
			batches: make(map[Hash]int64),
		}
		l.tenants[name] = t
	}
	return t
}

func (l *Ledger) judgeBatch(t *tenant, p *Part, at int64, fresh *[]Hash) Verdict {
	last, seen := t.batches[p.Hash]
	if seen && last >= at-int64(Window) || p.Lines == 0 {
		return Verdict{Action: Done}
	}
	*fresh = append(*fresh, p.Hash)
	v := Verdict{Action: Store, Row: l.nextRow}
	l.nextRow += uint64(p.Lines)
	return v
}

// judgeFile is the table of the wire contract:
//
//	to ≤ c                 done
//	from ≤ c < to          lines from c on; a gap before them is old news unless from = c
//	from > c, no gap       refused
//	from > c, gap          all lines, and the gap as a line
func (t *tenant) judgeFile(r *loki.FileRange, before map[loki.FileID]uint64, d *Decision) Verdict {
	f := t.files[r.File]
	var committed uint64
	if f != nil {
		committed = f.committed
	}
	old, again := before[r.File]
	if !again {
		old = committed
		before[r.File] = old
	}
	var v Verdict
	switch {
	case r.To <= old:
		return Verdict{Action: Done}
	case r.From > committed && r.Gap == "":
		refuse(d, loki.FileOffset{File: r.File, Committed: committed})
		return Verdict{Action: Refuse}
	case r.From > committed || r.From == old && r.Gap != "" && !again:
		v = Verdict{Action: Gap, From: r.From, GapFrom: committed}
	case r.From < old:
		v = Verdict{Action: Cut, From: old}
	default:
		v = Verdict{Action: Store, From: r.From}
	}
	t.commit(f, r, d)
	return v
}

func (t *tenant) commit(f *file, r *loki.FileRange, d *Decision) {
	if f == nil {
		t.files[r.File] = &file{}
		f = t.files[r.File]
		d.undo = append(d.undo, func() { delete(t.files, r.File) })
	} else {
		was := *f
		d.undo = append(d.undo, func() { *f = was })
	}
	f.committed = max(f.committed, r.To)
	t.addGeneration(f, r, d)
}

// addGeneration remembers where a generation that is new begins: at the first
// offset of which it is known that it lies in it.
func (t *tenant) addGeneration(f *file, r *loki.FileRange, d *Decision) {
	if len(r.Generation) == 0 {
		return
	}
	for i := range f.generations {
		if bytes.Equal(f.generations[i].Fingerprint, r.Generation) {
			return
		}
	}
	g := loki.Generation{Fingerprint: bytes.Clone(r.Generation), Base: r.From}
	// A copy: an undo may hold the old slice.
	f.generations = append(slices.Clone(f.generations), g)
	if k, _, _, ok := loki.ReadFingerprint(g.Fingerprint); ok {
		t.hold(k, r.File, d)
	}
	if len(f.generations) > maxGenerations {
		gone := f.generations[1]
		f.generations = slices.Delete(f.generations, 1, 2)
		if k, _, _, ok := loki.ReadFingerprint(gone.Fingerprint); ok && !f.has(k) {
			t.drop(k, r.File, d)
		}
	}
}

func refuse(d *Decision, o loki.FileOffset) {
	for _, r := range d.Refused {
		if r.File == o.File {
			return
		}
	}
	d.Refused = append(d.Refused, o)
}

func (t *tenant) remember(h Hash, at int64, d *Decision) {
	was, known := t.batches[h]
	t.batches[h] = at
	t.expiry = append(t.expiry, arrival{at, h})
	d.undo = append(d.undo, func() {
		delete(t.batches, h)
		if known {
			t.batches[h] = was
		}
		t.expiry = t.expiry[:len(t.expiry)-1]
	})
}

// forget drops batches that arrived before the given time.
func (t *tenant) forget(before int64) {
	n := 0
	for n < len(t.expiry) && t.expiry[n].at < before {
		// It may have come again since.
		if a := t.expiry[n]; t.batches[a.hash] == a.at {
			delete(t.batches, a.hash)
		}
		n++
	}
	t.expiry = t.expiry[n:]
}

// Offsets answers what is committed of each file, in the order asked.
func (l *Ledger) Offsets(tenantName string, files []loki.FileID) []loki.FileOffsets {
	out := make([]loki.FileOffsets, len(files))
	t := l.tenants[tenantName]
	for i, id := range files {
		out[i].File = id
		if t == nil {
			continue
		}
		if f := t.files[id]; f != nil {
			out[i].Committed = f.committed
			out[i].Generations = slices.Clone(f.generations)
		}
	}
	return out
}

// NextRow is the number that the next row without a range will get.
func (l *Ledger) NextRow() uint64 { return l.nextRow }

// SetNextRow goes on numbering from n. It panics when n was given out already.
func (l *Ledger) SetNextRow(n uint64) {
	if n < l.nextRow {
		panic(fmt.Sprintf("ledger: row numbers cannot go back from %d to %d", l.nextRow, n))
	}
	l.nextRow = n
}
