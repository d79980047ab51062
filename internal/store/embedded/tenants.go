package embedded

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// maxTenants is how many tenants' storages may be open. Each has goroutines and
// memory of its own.
const maxTenants = 256

// defaultFlushInterval is how long rows stay in memory at least; shorter makes more
// small parts to be merged, longer makes checkpoints wait.
const defaultFlushInterval = 5 * time.Second

// tenant is one tenant's open storage.
type tenant struct {
	name    string
	dir     string
	rows    rows
	storage *logstorage.Storage // the engine in this process; nil where lines are kept elsewhere
	fresh   fresh
	known   known
	serving sync.RWMutex // held by queries; locked while a day is closed for mending

	mu      sync.Mutex
	touched map[string]bool // days with rows added since the last barrier
}

// touch notes the days of rows that are added.
func (t *tenant) touch(days map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.touched == nil {
		t.touched = make(map[string]bool)
	}
	for day := range days {
		t.touched[day] = true
	}
}

func (t *tenant) takeTouched() map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	days := t.touched
	t.touched = nil
	return days
}

// dayName names the engine's partition of a time.
func dayName(day int64) string { return time.Unix(day*86400, 0).UTC().Format("20060102") }

// tenants opens storages on demand and keeps them open.
type tenants struct {
	engine *Engine
	most   int // how many may be open

	mu     sync.Mutex
	opened map[string]*tenant
	marked atomic.Bool // some tenant has rows that are no lines, see push
}

func newTenants(e *Engine) *tenants {
	ts := &tenants{engine: e, most: maxTenants, opened: make(map[string]*tenant)}
	_, err := os.Stat(e.home.path("marked"))
	ts.marked.Store(err == nil)
	return ts
}

// mark notes for ever that there may be rows that are no lines, before the first
// is added.
func (ts *tenants) mark() error {
	if ts.marked.Load() {
		return nil
	}
	if err := writeFileSync(ts.engine.home.path("marked"), nil); err != nil {
		return fmt.Errorf("note that the store has rows that are no lines: %w", err)
	}
	ts.marked.Store(true)
	return nil
}

func (ts *tenants) dir(name string) string {
	return ts.engine.home.path("tenants", hex.EncodeToString([]byte(name)))
}

// open returns the tenant, which is made where it is not there yet.
func (ts *tenants) open(name string) (*tenant, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.opened[name]; t != nil {
		return t, nil
	}
	if len(ts.opened) >= ts.most {
		return nil, fmt.Errorf("tenant %s cannot be opened: %d tenants are open already, which is the most one server serves: "+
			"use fewer tenants, or another server for some", name, ts.most)
	}
	if o := ts.engine.cfg.Outgrown; o != nil {
		t := ts.outgrown(name, o)
		ts.opened[name] = t
		return t, nil
	}
	dir := ts.dir(name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("open tenant %s: %w", name, err)
	}
	t := &tenant{name: name, dir: dir, storage: logstorage.MustOpenStorage(dir, ts.engine.storageConfig())}
	t.rows = library{t.storage}
	ts.opened[name] = t
	return t, nil
}

func (ts *tenants) outgrown(name string, o *Outgrown) *tenant {
	t := &tenant{name: name, rows: &victoriaLogs{engine: ts.engine, client: ts.engine.client, at: o, tenant: remoteTenant(name)}}
	if o.cluster() {
		t.fresh.hidden = 2 * visibleAfter
	}
	return t
}

// existing returns the named tenants that have a storage, each once.
func (ts *tenants) existing(names []string) ([]*tenant, error) {
	var out []*tenant
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		ts.mu.Lock()
		t := ts.opened[name]
		ts.mu.Unlock()
		if t != nil {
			out = append(out, t)
			continue
		}
		if ts.engine.cfg.Outgrown != nil {
			t, err := ts.open(name)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
			continue
		}
		if _, err := os.Stat(ts.dir(name)); err != nil {
			if os.IsNotExist(err) {
				continue
			}
			return nil, fmt.Errorf("open tenant %s: %w", name, err)
		}
		t, err := ts.open(name)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// stored returns every tenant that has a storage on disk, opened.
func (ts *tenants) stored() ([]*tenant, error) {
	dirs, err := os.ReadDir(ts.engine.home.path("tenants"))
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	var names []string
	for _, d := range dirs {
		name, err := hex.DecodeString(d.Name())
		if err != nil {
			return nil, fmt.Errorf("%s is not a tenant's directory: move it away", ts.engine.home.path("tenants", d.Name()))
		}
		names = append(names, string(name))
	}
	return ts.existing(names)
}

// all returns the open tenants by name.
func (ts *tenants) all() []*tenant {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	out := make([]*tenant, 0, len(ts.opened))
	for _, t := range ts.opened {
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

func (ts *tenants) closeAll() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for name, t := range ts.opened {
		t.rows.close()
		delete(ts.opened, name)
	}
}

func (e *Engine) storageConfig() *logstorage.StorageConfig {
	return &logstorage.StorageConfig{
		// What is not kept we remove ourselves: the engine would drop rows of such
		// days and tell nobody.
		Retention:       forEver,
		FutureRetention: futureRetention,
		FlushInterval:   e.cfg.flushInterval,
	}
}
