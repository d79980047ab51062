package embedded

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// After an unclean end the parts that the inventory lists are served at once and
// read while serving: one whose bytes are not those that were written is named,
// moved to damaged/, and the rest is served.

// partRef names a part that is to be read while serving.
type partRef struct {
	tenant, day string // names of directories
	part        string // "datadb/NAME"
	files       partFiles
}

// verifyRate bounds how fast parts are read while others wait for the disk.
const verifyRate = 256 << 20 // bytes per second

// verifyParts reads the given parts, the newest days first.
func (e *Engine) verifyParts(ctx context.Context, parts []partRef) {
	slices.SortStableFunc(parts, func(a, b partRef) int { return -compareDays(a.day, b.day) })
	start, read, damaged := time.Now(), int64(0), 0
	for _, p := range parts {
		whole, err := e.isWhole(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err == nil && !whole {
			damaged++
			err = e.setAside(ctx, p)
		}
		if err != nil {
			e.log.Error("a part of the store was not checked", "tenant", p.tenant, "day", p.day, "part", p.part, "error", err)
		}
		for _, f := range p.files {
			read += f.Size
		}
		if !pace(ctx, start, read) {
			return
		}
	}
	e.log.Info("what was on disk before the unclean end was read while serving", "parts", len(parts), "bytes", read, "damaged", damaged, "took", time.Since(start))
}

func compareDays(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// pace waits until reading so much has taken as long as it should; false where
// ctx ended.
func pace(ctx context.Context, start time.Time, read int64) bool {
	due := start.Add(time.Duration(float64(read) / verifyRate * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// isWhole reads a part; one that is gone, as it was merged or its day removed,
// counts as whole.
func (e *Engine) isWhole(ctx context.Context, p partRef) (bool, error) {
	if err := e.step("verify part"); err != nil {
		return false, err
	}
	dir := e.home.path("tenants", p.tenant, "partitions", p.day, p.part)
	for name, want := range p.files {
		got, err := measureFile(ctx, filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			names, err := partNames(filepath.Dir(dir))
			return err != nil || !slices.Contains(names, filepath.Base(dir)), nil
		case err != nil:
			return false, err
		case got != want:
			return false, nil
		}
	}
	return true, nil
}

// setAside takes a damaged part out of the store while the rest is served: lines
// wait in the journal and queries wait for as long as its day is closed.
func (e *Engine) setAside(ctx context.Context, p partRef) error {
	name, err := hex.DecodeString(p.tenant)
	if err != nil {
		return err
	}
	e.dropping.Lock()
	defer e.dropping.Unlock()
	return e.atPause(ctx, func(int64, []byte) error {
		e.tenants.mu.Lock()
		t := e.tenants.opened[string(name)]
		if t == nil { // nobody opens it meanwhile
			defer e.tenants.mu.Unlock()
			_, err := e.movePart(p)
			return err
		}
		e.tenants.mu.Unlock()
		t.serving.Lock()
		defer t.serving.Unlock()
		defer t.known.allChanged()
		if !slices.Contains(t.storage.PartitionList(), p.day) {
			return nil // removed meanwhile
		}
		if err := t.storage.PartitionDetach(p.day); err != nil {
			return err
		}
		left, err := e.movePart(p)
		if err != nil || !left {
			return err
		}
		return t.storage.PartitionAttach(p.day)
	})
}

// movePart moves a part of a day that is closed aside and reports whether
// something of the day is left. A stream index that cannot be read takes the day
// with it, as no line of it would be found.
func (e *Engine) movePart(p partRef) (left bool, err error) {
	s := scanner{engine: e}
	day := e.home.path("tenants", p.tenant, "partitions", p.day)
	kind := filepath.Join(day, filepath.Dir(p.part))
	names, err := partNames(kind)
	if err != nil {
		return false, err
	}
	if !slices.Contains(names, filepath.Base(p.part)) {
		return true, nil // merged meanwhile
	}
	const why = "its bytes are not those that were written"
	if filepath.Base(kind) == "indexdb" {
		return false, s.moveAside(day, "its stream index: "+why)
	}
	if err := s.moveAside(filepath.Join(day, p.part), why); err != nil {
		return false, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == filepath.Base(p.part) })
	if err := writePartNames(kind, names); err != nil {
		return false, fmt.Errorf("list parts: %w", err)
	}
	return true, nil
}
