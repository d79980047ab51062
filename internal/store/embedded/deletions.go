package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/remora-ray/remora/internal/store"
)

// deletions are the requests that were made, newest last. Those that were carried
// out are in a file, which is written before the journal's record of them may go.
type deletions struct {
	path string

	mu       sync.Mutex
	byTenant map[string][]store.Deletion
}

// keptDeletions is how many requests of a tenant are remembered.
const keptDeletions = 1000

func openDeletions(path string) (*deletions, error) {
	d := &deletions{path: path, byTenant: make(map[string][]store.Deletion)}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &d.byTenant)
	}
	if err != nil {
		return nil, fmt.Errorf("read the requests to delete %s: %w", path, err)
	}
	return d, nil
}

// add takes a request, or one that is known by its ID already.
func (d *deletions) add(tenant string, r store.Deletion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.byTenant[tenant]
	if slices.ContainsFunc(list, func(other store.Deletion) bool { return other.ID == r.ID }) {
		return
	}
	list = append(list, r)
	d.byTenant[tenant] = list[max(0, len(list)-keptDeletions):]
}

// remove forgets a request that came to nothing.
func (d *deletions) remove(tenant, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byTenant[tenant] = slices.DeleteFunc(d.byTenant[tenant], func(r store.Deletion) bool { return r.ID == id })
}

// done marks a request as carried out, on disk too.
func (d *deletions) done(tenant, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := make(map[string][]store.Deletion, len(d.byTenant))
	for name, list := range d.byTenant {
		for i := range list {
			if name == tenant && list[i].ID == id {
				list[i].Done = true
			}
			if list[i].Done {
				kept[name] = append(kept[name], list[i])
			}
		}
	}
	data, err := json.Marshal(kept)
	if err == nil {
		err = writeFileSync(d.path, data)
	}
	if err != nil {
		return fmt.Errorf("write the requests to delete: %w", err)
	}
	return nil
}

func (d *deletions) of(tenant string) []store.Deletion {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.byTenant[tenant])
}

// Deletions lists requests, oldest first; see store.Store.
func (e *Engine) Deletions(tenant string) ([]store.Deletion, error) {
	if err := store.ValidTenant(tenant); err != nil {
		return nil, &store.InvalidError{Reason: err.Error()}
	}
	return e.deletions.of(tenant), nil
}
