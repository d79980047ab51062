// Package embedded is the store in our own process: lib/logstorage of
// VictoriaLogs for rows, a journal in front of it for durability, a ledger for
// what is committed.
//
//	Append ─▶ check ─▶ ledger.Judge ─▶ journal (group fsync) ─▶ 2xx
//	                                      │ in order
//	                                      ▼
//	                     queue ─▶ appliers ─▶ logstorage ─▶ Select, Buckets, …
//	                                      │ mark
//	                                      ▼
//	              checkpoint: appliers idle, engine flushed, table written,
//	                          old segments of the journal removed
//
// Where the store has outgrown this process the rows go to VictoriaLogs, or the
// pushes to Loki, in the engine's place, see Outgrown.
//
// Invariant: what the journal acknowledged is in the engine or will be put
// there at the next open, once; only the appliers write to the engine.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/journal"
	"github.com/remora-ray/remora/internal/store/ledger"
)

// Config says where the store lies and what it may take. Only Dir is required.
type Config struct {
	Dir string
	// Retention is how long lines are kept, by their own time; at least a day,
	// in whole UTC days. 0 keeps them for ever (100 years).
	Retention time.Duration
	// DiskFloorBytes is the free space below which appends get ErrDiskFull; 0
	// means a twentieth of the disk, between 64 MiB and 5 GiB.
	DiskFloorBytes uint64
	// MaxDiskPercent bounds what one tenant's lines may take of the disk: beyond
	// it the oldest days go (never the last two). 0 means 80.
	MaxDiskPercent int
	// MaxTenantBytes bounds the same in bytes, instead of MaxDiskPercent; 0 means
	// that nothing else bounds it.
	MaxTenantBytes uint64
	// Tenants are those for which something else holds than Retention and
	// MaxTenantBytes.
	Tenants map[string]Keep
	// MemoryBytes bounds the engine's caches; a sort may use a fifth of it, a
	// query's groups two fifths. It counts once per process: the first store
	// opened decides. 0 means 640 MiB; else files are also read rather than mapped
	// into memory.
	MemoryBytes int64
	// QueueBytes bounds lines that are durable but not yet in the engine; beyond
	// it appends wait. 0 means 64 MiB.
	QueueBytes int64
	// CheckpointBytes is how much journal makes a checkpoint due; 0 means 64 MiB.
	// A start after a kill reads as much again, at tens of MiB a second.
	CheckpointBytes int64
	// Outgrown keeps the lines elsewhere; nil keeps them in Dir.
	Outgrown   *Outgrown
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time

	// For tests.
	flushInterval time.Duration
	freeBytes     func(dir string) (uint64, error)
	fault         func(step string) error
	settleAfter   time.Duration
}

// Engine implements store.Store.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	home    *home

	judging sync.Mutex // held from Judge to the journal's Append
	ledger  *ledger.Ledger
	journal *journal.Journal

	room     *semaphore.Weighted // bytes of the queue
	queued   atomic.Int64        // bytes of it taken
	work     chan *job
	workers  sync.WaitGroup
	inFlight sync.WaitGroup // jobs given to workers; only the deliverer waits
	writers  []*rowWriter
	hurries  atomic.Int32
	progress progress
	back     chan struct{} // closed when the journal's lines are in the engine
	backErr  error         // why they are not, once back is closed

	tenants   *tenants
	inventory *inventory
	client    *http.Client // of an outgrown store
	forward   context.Context
	endWays   context.CancelFunc // ends the giving of lines to an outgrown store
	unsettled []lateTable        // guarded by settling
	startedAt map[string]string  // programs of an outgrown store; of watchSettled alone
	settling  sync.Mutex
	followers followers
	disk      diskFloor
	deletions *deletions

	dropping sync.Mutex          // held while days are removed or copied
	measured map[string]measured // sizes of old days, by directory; guarded by dropping
	floors   sync.Map            // tenant → int64: lines before it are not taken, days of them being removed
	endWatch func()              // ends watching of what is kept
	watching sync.WaitGroup      // who watches it

	checkpointing atomic.Bool
	sinceTable    atomic.Int64 // bytes of journal since the last checkpoint
	closing       atomic.Bool
}

var _ store.Store = (*Engine)(nil)

var errClosing = errors.New("the store is closing")

const defaultMemory = 640 << 20

func (cfg Config) withDefaults() Config {
	if cfg.Retention == 0 {
		cfg.Retention = forEver
	}
	if cfg.settleAfter == 0 {
		cfg.settleAfter = settleAfter
	}
	if cfg.MaxDiskPercent == 0 {
		cfg.MaxDiskPercent = 80
	}
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = defaultMemory
	}
	if cfg.QueueBytes == 0 {
		cfg.QueueBytes = 64 << 20
	}
	if cfg.CheckpointBytes == 0 {
		cfg.CheckpointBytes = 64 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.flushInterval == 0 {
		cfg.flushInterval = defaultFlushInterval
	}
	if cfg.freeBytes == nil {
		cfg.freeBytes = freeBytes
	}
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case cfg.Dir == "":
		return errors.New("the store needs a directory")
	case cfg.MaxDiskPercent < 1 || cfg.MaxDiskPercent > 100:
		return fmt.Errorf("at most %d %% of the disk cannot be: give 1 to 100", cfg.MaxDiskPercent)
	}
	for name, k := range cfg.Tenants {
		if err := k.validate(); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
	}
	return Keep{Age: cfg.Retention}.validate()
}

// Open opens the store in cfg.Dir, which is made where it is not there, and
// brings what the journal holds into the engine. The error names the directory
// and the way out where it is of another version or in use.
func Open(cfg Config) (*Engine, error) {
	if err := cfg.checkOutgrown(); err != nil {
		return nil, err
	}
	limited := cfg.MemoryBytes != 0
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	home, err := openHome(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := home.takeHome(cfg.Outgrown); err != nil {
		return nil, errors.Join(err, home.close(home.clean))
	}
	startLibrary(cfg.MemoryBytes, limited)
	e := &Engine{
		cfg: cfg, log: cfg.Logger, home: home,
		room: semaphore.NewWeighted(cfg.QueueBytes),
		work: make(chan *job, 64),
		disk: diskFloor{dir: cfg.Dir, floor: cfg.DiskFloorBytes, free: cfg.freeBytes, now: cfg.Now},
	}
	e.measured = make(map[string]measured)
	e.inventory = newInventory(home)
	e.forward, e.endWays = context.WithCancel(context.Background())
	e.client = outgrownClient()
	e.startedAt = make(map[string]string)
	e.metrics = newMetrics(cfg.Registerer, e)
	e.tenants = newTenants(e)
	if err := e.open(); err != nil {
		e.tenants.closeAll()
		e.metrics.unregister()
		return nil, errors.Join(err, home.close(false))
	}
	return e, nil
}

func (e *Engine) open() error {
	if err := e.disk.init(); err != nil {
		return err
	}
	if err := e.clearDropped(); err != nil {
		return err
	}
	if err := os.RemoveAll(e.home.path("snapshots")); err != nil {
		return fmt.Errorf("remove snapshots: %w", err)
	}
	table, err := readTable(e.home.path("table"))
	if err != nil {
		return err
	}
	e.ledger = table.ledger
	if e.deletions, err = openDeletions(e.home.path("deletions")); err != nil {
		return err
	}
	later, err := e.mend()
	if err != nil {
		return err
	}
	r := &replay{engine: e, ledger: e.ledger, judging: e.cfg.Outgrown == nil}
	e.journal, err = journal.Open(journal.Config{
		Dir:     e.home.path("journal"),
		Logger:  e.log,
		Synced:  e.metrics.synced,
		Deliver: e.deliver,
		Judging: &e.judging,
		Fault:   e.cfg.fault,
	}, table.position, r.record)
	if err != nil {
		return err
	}
	if err := e.takeUp(r, table.position); err != nil {
		return errors.Join(err, e.journal.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.endWatch = cancel
	if e.cfg.Outgrown != nil {
		e.watching.Go(func() { e.watchSettled(ctx) })
		return nil
	}
	e.watching.Go(func() { e.watchRetention(ctx) })
	e.watching.Go(func() { e.watchParts(ctx) })
	e.watching.Go(func() { e.watchJournal(ctx) })
	if len(later) > 0 {
		e.watching.Go(func() { e.verifyParts(ctx, later) })
	}
	return nil
}

// mend deals with what an unclean end may have left, and returns what is to be
// read while serving.
func (e *Engine) mend() (later []partRef, err error) {
	if !e.home.clean && e.cfg.Outgrown == nil {
		if err := e.removeSnapshots(); err != nil {
			return nil, err
		}
		if later, err = e.scanParts(); err != nil {
			return nil, err
		}
	}
	return later, e.home.catchPanics()
}

// Ready is nil when appends and queries are served.
func (e *Engine) Ready() error {
	if e.closing.Load() {
		return errClosing
	}
	if err := e.journal.Err(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrReadOnly, err)
	}
	select {
	case <-e.back:
		return e.backErr
	default:
		return nil
	}
}

// Offsets answers what is committed of each file. After a failed sync it fails,
// as then nobody knows.
func (e *Engine) Offsets(_ context.Context, tenant string, files []loki.FileID) ([]loki.FileOffsets, error) {
	return e.committed(tenant, func() []loki.FileOffsets { return e.ledger.Offsets(tenant, files) })
}

// Holding answers with the files of which a fingerprint is known.
func (e *Engine) Holding(_ context.Context, tenant string, fingerprints [][]byte) ([]loki.FileOffsets, error) {
	return e.committed(tenant, func() []loki.FileOffsets { return e.ledger.Holding(tenant, fingerprints) })
}

// committed asks the ledger and waits until what it answers is on disk.
func (e *Engine) committed(tenant string, ask func() []loki.FileOffsets) ([]loki.FileOffsets, error) {
	if err := store.ValidTenant(tenant); err != nil {
		return nil, err
	}
	e.judging.Lock()
	out := ask()
	settled := e.journal.Settled()
	e.judging.Unlock()
	if err := settled.Wait(); err != nil {
		return nil, appendError(err)
	}
	return out, nil
}

// Close writes a checkpoint and closes. Appends and queries must have ended.
func (e *Engine) Close() error {
	if e.closing.Swap(true) {
		return nil
	}
	e.endWatch()
	e.watching.Wait()
	var err error
	if e.cfg.Outgrown == nil {
		err = e.checkpoint(context.Background())
	}
	// What an outgrown store has not taken yet is in the journal.
	e.endWays()
	err = errors.Join(err, e.journal.Close())
	close(e.work)
	e.workers.Wait()
	e.followers.close()
	e.tenants.closeAll()
	e.metrics.unregister()
	if errors.Is(err, store.ErrReadOnly) {
		// Told loudly when it happened; the next open reads the journal.
		return errors.Join(e.home.dropPanics(), e.home.close(false))
	}
	return errors.Join(err, e.home.dropPanics(), e.home.close(err == nil))
}

// readTable reads the table of the last checkpoint; where there is none yet
// nothing is committed.
func readTable(path string) (*table, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return &table{ledger: ledger.New()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read table of committed offsets: %w", err)
	}
	t, err := parseTable(data)
	if err != nil {
		return nil, fmt.Errorf("table of committed offsets %s: %w: restore it from a backup; "+
			"without it lines that agents send again would be stored twice", filepath.Clean(path), err)
	}
	return t, nil
}
