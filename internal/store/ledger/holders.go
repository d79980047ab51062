package ledger

import (
	"bytes"
	"slices"

	"github.com/remora-ray/remora/internal/loki"
)

// maxHolders is how many files may be remembered for one key, the newest. Where
// birth times are known there is one; only inode numbers alone come back often.
const maxHolders = 16

// hold notes that a file has a generation. Lists are never changed, only replaced,
// so that undoing is putting back the old one.
func (t *tenant) hold(k loki.GenerationKey, id loki.FileID, d *Decision) {
	was := t.holders[k]
	if slices.Contains(was, id) {
		return
	}
	now := append(slices.Clone(was), id)
	t.setHolders(k, now[max(0, len(now)-maxHolders):], d)
}

// drop notes that a file is not known by a generation any more.
func (t *tenant) drop(k loki.GenerationKey, id loki.FileID, d *Decision) {
	was := t.holders[k]
	if i := slices.Index(was, id); i >= 0 {
		t.setHolders(k, slices.Delete(slices.Clone(was), i, i+1), d)
	}
}

func (t *tenant) setHolders(k loki.GenerationKey, now []loki.FileID, d *Decision) {
	was := t.holders[k]
	put := func(ids []loki.FileID) {
		if len(ids) == 0 {
			delete(t.holders, k)
			return
		}
		t.holders[k] = ids
	}
	put(now)
	if d != nil {
		d.undo = append(d.undo, func() { put(was) })
	}
}

// has reports whether a file has a generation of the key.
func (f *file) has(k loki.GenerationKey) bool {
	return slices.ContainsFunc(f.generations, func(g loki.Generation) bool {
		of, _, _, ok := loki.ReadFingerprint(g.Fingerprint)
		return ok && of == k
	})
}

// Holding answers with the files that have a generation of the same inode and
// birth time as one of the fingerprints, each once, ordered by identity. Of their
// generations it lists the first, as the identity was made of it, and those asked
// about.
func (l *Ledger) Holding(tenantName string, fingerprints [][]byte) []loki.FileOffsets {
	t := l.tenants[tenantName]
	if t == nil {
		return nil
	}
	asked := make(map[loki.GenerationKey]bool, len(fingerprints))
	var ids []loki.FileID
	for _, p := range fingerprints {
		if k, _, _, ok := loki.ReadFingerprint(p); ok && !asked[k] {
			asked[k] = true
			ids = append(ids, t.holders[k]...)
		}
	}
	slices.SortFunc(ids, func(a, b loki.FileID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	out := make([]loki.FileOffsets, len(ids))
	for i, id := range ids {
		f := t.files[id]
		out[i] = loki.FileOffsets{File: id, Committed: f.committed}
		for n, g := range f.generations {
			if k, _, _, ok := loki.ReadFingerprint(g.Fingerprint); n == 0 || ok && asked[k] {
				out[i].Generations = append(out[i].Generations, g)
			}
		}
	}
	return out
}
