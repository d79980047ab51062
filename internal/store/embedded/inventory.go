package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The inventory lists the parts of each day as they were written: their files,
// sizes and checksums. A part never changes, so after an unclean end one that is
// as the inventory says need not be read before it is served. It is brought up to
// date soon after a part appears, and with each checkpoint:
//
//	inventory/<hex of tenant>/<day>
//
// What is not listed, or not as listed, is read whole before it is served. A
// list that is torn counts as none, so it is not synced.

// inventoryEvery is how long a new part may go unlisted.
const inventoryEvery = 2 * time.Second

// partFile is one file of a part.
type partFile struct {
	Size int64
	CRC  uint32 // Castagnoli
}

// partFiles are the files of a part by name.
type partFiles map[string]partFile

// dayInventory holds the parts of a day by "datadb/NAME" and "indexdb/NAME".
type dayInventory map[string]partFiles

// partKinds are the directories of a day that hold parts.
var partKinds = []string{"datadb", "indexdb"}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// inventory keeps the lists of one store up to date.
type inventory struct {
	home *home

	mu   sync.Mutex // held while lists are made
	seen map[string][2]fileStamp
}

// fileStamp tells whether a list of parts was replaced.
type fileStamp struct {
	time int64
	size int64
}

func newInventory(h *home) *inventory {
	return &inventory{home: h, seen: make(map[string][2]fileStamp)}
}

func (v *inventory) path(tenant, day string) string {
	return v.home.path("inventory", tenant, day)
}

// read returns the list of a day; nil where there is none that is whole.
func (v *inventory) read(tenant, day string) dayInventory {
	data, err := os.ReadFile(v.path(tenant, day))
	if err != nil {
		return nil
	}
	return parseInventory(data)
}

func (d dayInventory) marshal() []byte {
	// Maps of strings and numbers can always be encoded.
	data, _ := json.Marshal(d)
	return fmt.Appendf(data, "\n%08x\n", crc32.Checksum(data, castagnoli))
}

func parseInventory(data []byte) dayInventory {
	list, sum, ok := bytes.Cut(data, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%08x\n", crc32.Checksum(list, castagnoli)) {
		return nil
	}
	var d dayInventory
	if json.Unmarshal(list, &d) != nil {
		return nil
	}
	return d
}

// update lists the parts of one day of a tenant, given by their directories'
// names, where they are others than at the last look.
func (v *inventory) update(tenant, day string) error {
	dir := v.home.path("tenants", tenant, "partitions", day)
	stamps, err := stampsOf(dir)
	if err != nil || v.seen[dir] == stamps {
		return err
	}
	old := v.read(tenant, day)
	list := make(dayInventory)
	for _, kind := range partKinds {
		names, err := partNames(filepath.Join(dir, kind))
		if err != nil {
			return err
		}
		for _, name := range names {
			key := kind + "/" + name
			if list[key] = old[key]; list[key] != nil {
				continue
			}
			files, err := measurePart(filepath.Join(dir, kind, name))
			if errors.Is(err, fs.ErrNotExist) {
				return nil // merged away meanwhile: the next look sees what became of it
			}
			if err != nil {
				return err
			}
			list[key] = files
		}
	}
	if err := v.write(tenant, day, list); err != nil {
		return err
	}
	v.seen[dir] = stamps
	return nil
}

// write replaces a list; after a crash the old one, the new one or none is there.
func (v *inventory) write(tenant, day string, list dayInventory) error {
	path := v.path(tenant, day)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", list.marshal(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func stampsOf(dir string) (stamps [2]fileStamp, err error) {
	for i, kind := range partKinds {
		st, err := os.Stat(filepath.Join(dir, kind, "parts.json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return stamps, err
		}
		stamps[i] = fileStamp{st.ModTime().UnixNano(), st.Size()}
	}
	return stamps, nil
}

// measurePart reads all files of a part.
func measurePart(dir string) (partFiles, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make(partFiles, len(entries))
	for _, d := range entries {
		if files[d.Name()], err = measureFile(context.Background(), filepath.Join(dir, d.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func measureFile(ctx context.Context, path string) (partFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return partFile{}, err
	}
	defer f.Close()
	var got partFile
	buf := make([]byte, 256<<10)
	for ctx.Err() == nil {
		n, err := f.Read(buf)
		got.Size += int64(n)
		got.CRC = crc32.Update(got.CRC, castagnoli, buf[:n])
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
	return got, ctx.Err()
}

// smallFile is up to what size a file is read when the store is opened: those
// that the engine reads then are small.
const smallFile = 64 << 10

// looksWhole reports whether the part in dir has the files that are listed, with
// their sizes and, of small ones, checksums.
func (files partFiles) looksWhole(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 || len(entries) != len(files) {
		return false
	}
	for name, want := range files {
		path := filepath.Join(dir, name)
		st, err := os.Stat(path)
		if err != nil || st.Size() != want.Size {
			return false
		}
		if want.Size > smallFile {
			continue
		}
		if got, err := measureFile(context.Background(), path); err != nil || got != want {
			return false
		}
	}
	return true
}

// noteParts brings the inventory up to date for all tenants that are open.
func (e *Engine) noteParts() {
	v := e.inventory
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range e.tenants.all() {
		tenant := filepath.Base(t.dir)
		for _, day := range t.storage.PartitionList() {
			if err := v.update(tenant, day); err != nil && !errors.Is(err, fs.ErrNotExist) {
				e.log.Warn("parts of the store were not listed: after a kill they are read before they are served", "tenant", t.name, "day", day, "error", err)
			}
		}
	}
}

// watchParts keeps the inventory up to date until ctx ends.
func (e *Engine) watchParts(ctx context.Context) {
	tick := time.NewTicker(inventoryEvery)
	defer tick.Stop()
	for {
		e.noteParts()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forget removes the list of a day that is gone.
func (v *inventory) forget(tenant, day string) error {
	err := os.Remove(v.path(tenant, day))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
