package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/store/ledger"
)

// table is what a checkpoint keeps: the ledger as it was at a position of the
// journal, all records before which are on disk in the engine.
type table struct {
	position int64
	ledger   *ledger.Ledger
}

const tableMagic = "remora table\x01"

func (t *table) marshal(ledger []byte) []byte {
	b := append(make([]byte, 0, len(ledger)+64), tableMagic...)
	b = binary.AppendVarint(b, t.position)
	return append(b, ledger...)
}

func parseTable(data []byte) (*table, error) {
	rest, ok := bytes.CutPrefix(data, []byte(tableMagic))
	if !ok {
		return nil, errors.New("not a table of this version")
	}
	t := &table{}
	var n int
	if t.position, n = binary.Varint(rest); n <= 0 || len(rest) == n {
		return nil, errors.New("cut short")
	}
	var err error
	t.ledger, err = ledger.ReadTable(rest[n:])
	return t, err
}

// Checkpoint brings everything appended so far safely into the engine and
// drops that part of the journal. Appends go on meanwhile; what they bring
// waits in the queue.
func (e *Engine) Checkpoint(ctx context.Context) error { return e.checkpoint(ctx) }

// checkpointSoon starts a checkpoint where none runs.
func (e *Engine) checkpointSoon() {
	if e.checkpointing.Swap(true) {
		return
	}
	// Not here: the deliverer must reach the mark.
	go func() {
		defer e.checkpointing.Store(false)
		if err := e.checkpoint(context.Background()); err != nil && !e.closing.Load() {
			e.log.Error("checkpoint failed: the journal grows until the next one", "dir", e.cfg.Dir, "error", err)
		}
	}()
}

// checkpointEvery is how long lines may be in the journal alone, so that a start
// after a kill of a server that had little to do is quick.
const checkpointEvery = 30 * time.Second

// watchJournal makes checkpoints until ctx ends.
func (e *Engine) watchJournal(ctx context.Context) {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e.sinceTable.Load() > 0 {
			e.checkpointSoon()
		}
	}
}

func (e *Engine) checkpoint(ctx context.Context) error {
	err := e.atPause(ctx, func(at int64, ledgerTable []byte) error {
		start := time.Now()
		if e.cfg.Outgrown != nil {
			e.writeTableLater(at, ledgerTable)
			return nil
		}
		if err := e.barrier(); err != nil {
			return err
		}
		if err := e.writeTable(at, ledgerTable); err != nil {
			return err
		}
		e.metrics.checkpoints.Observe(time.Since(start).Seconds())
		return nil
	})
	if err == nil && e.cfg.Outgrown == nil {
		e.noteParts()
	}
	return err
}

// atPause runs do between records of the journal: with all before position at
// applied, none after it, and the ledger's table as it was there.
func (e *Engine) atPause(ctx context.Context, do func(at int64, ledgerTable []byte) error) error {
	result := make(chan error, 1)
	e.judging.Lock()
	ledgerTable := e.ledger.AppendTable(nil)
	mark, err := e.journal.Mark(func(at int64) {
		if err := e.waitBack(); err != nil {
			result <- err
			return
		}
		result <- do(at, ledgerTable)
	})
	e.judging.Unlock()
	if err == nil {
		err = mark.Wait()
	}
	if err != nil {
		return appendError(err)
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeTable makes position at the one that the next open replays from, and
// drops the journal before it.
func (e *Engine) writeTable(at int64, ledgerTable []byte) error {
	if err := e.step("checkpoint table"); err != nil {
		return err
	}
	t := table{position: at}
	if err := writeFileSync(e.home.path("table"), t.marshal(ledgerTable)); err != nil {
		return fmt.Errorf("write table of committed offsets: %w", err)
	}
	e.sinceTable.Store(0)
	if err := e.step("checkpoint remove"); err != nil {
		return err
	}
	if err := e.journal.RemoveBefore(at); err != nil {
		return err
	}
	return e.step("checkpoint done")
}

// step is where tests make things fail or the process end.
func (e *Engine) step(name string) error {
	if e.cfg.fault == nil {
		return nil
	}
	return e.cfg.fault(name)
}

// mustStep is a step that cannot fail, only end the process.
func (e *Engine) mustStep(name string) { _ = e.step(name) }

// barrier returns when every row that was added is on disk. Nobody may add
// rows meanwhile.
func (e *Engine) barrier() error {
	if err := e.step("checkpoint barrier"); err != nil {
		return err
	}
	for _, t := range e.tenants.all() {
		if err := t.settle(); err != nil {
			return fmt.Errorf("flush tenant %s: %w", t.name, err)
		}
	}
	return nil
}

// How long a barrier may take before it gives up; a merge of the largest
// in-memory parts takes seconds.
const settleTimeout = 2 * time.Minute

// settle waits until nothing of the tenant is in memory only. The engine tells
// nobody when rows are durable, so it is asked: no in-memory parts of rows, and
// as many items in the index's files as in the index.
func (t *tenant) settle() error {
	days := t.takeTouched()
	if len(days) == 0 {
		return nil
	}
	deadline := time.Now().Add(settleTimeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		t.storage.DebugFlush() // waits for buffers that are on their way
		if err := t.pushOut(days); err != nil {
			t.touch(days)
			return err
		}
		done, err := t.settled()
		if err != nil {
			t.touch(days)
			return err
		}
		if done {
			return nil
		}
		if time.Now().After(deadline) {
			t.touch(days)
			return fmt.Errorf("rows are still only in memory after %s", settleTimeout)
		}
		time.Sleep(pause)
	}
}

// pushOut makes the engine write in-memory parts of the given days to files
// now rather than after its flush interval: it does so before a snapshot. Parts
// being merged are left out, so this alone is no barrier.
func (t *tenant) pushOut(days map[string]bool) error {
	for day := range days {
		path, err := t.storage.PartitionSnapshotCreate(day)
		if err != nil {
			// Retention may have dropped the day.
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove snapshot: %w", err)
		}
	}
	return nil
}

// removeSnapshots removes what a kill in pushOut or Snapshot left behind.
func (e *Engine) removeSnapshots() error {
	dirs, err := filepath.Glob(e.home.path("tenants", "*", "partitions", "*", "snapshots", "*"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if err := os.RemoveAll(d); err != nil {
			return fmt.Errorf("remove snapshot: %w", err)
		}
	}
	return nil
}

func (t *tenant) settled() (bool, error) {
	var st logstorage.StorageStats
	t.storage.UpdateStats(&st)
	if st.PendingRows > 0 || st.InmemoryParts > 0 || st.IndexdbPendingItems > 0 {
		return false, nil
	}
	onDisk, err := indexItemsOnDisk(t.dir, t.storage.PartitionList())
	return onDisk == st.IndexdbItemsCount, err
}

// indexItemsOnDisk adds up what the files of the stream index hold. The engine
// does not tell how many items it has in memory only.
func indexItemsOnDisk(dir string, days []string) (uint64, error) {
	total := uint64(0)
	for _, day := range days {
		list := filepath.Join(dir, "partitions", day, "indexdb", "parts.json")
		var parts []string
		if err := readJSON(list, &parts); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				// Removed since the days were listed: ask again.
				return 0, nil
			}
			return 0, err
		}
		for _, part := range parts {
			var header struct{ ItemsCount uint64 }
			err := readJSON(filepath.Join(filepath.Dir(list), part, "metadata.json"), &header)
			if errors.Is(err, os.ErrNotExist) {
				// Merged away since the list was read: ask again.
				return 0, nil
			}
			if err != nil {
				return 0, err
			}
			total += header.ItemsCount
		}
	}
	return total, nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
