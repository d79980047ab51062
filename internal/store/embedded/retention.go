package embedded

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Keep says how long and how much of a tenant's lines are kept. The zero of a
// field means what the store's configuration says for all.
type Keep struct {
	// Age is how long lines are kept, by their own time; a day at least. Whole UTC
	// days go.
	Age time.Duration
	// Bytes is what the lines may take of the disk: beyond it the oldest days go,
	// but never the last two that have lines.
	Bytes uint64
}

// forEver is the age of lines that are kept for ever; the engine wants a number.
const forEver = 100 * 365 * 24 * time.Hour

const (
	retentionEvery = time.Minute
	keptDays       = 2 // by size no more than all but these go
	// Days before the last few hardly change, and there may be many.
	oldDay         = 72 * time.Hour
	measureOldDays = time.Hour
)

func (k Keep) validate() error {
	if k.Age != 0 && k.Age < 24*time.Hour {
		return fmt.Errorf("retention %s is less than a day: lines are removed in whole days, give 24h or more, or 0 to keep them for ever", k.Age)
	}
	return nil
}

// keep is what holds for a tenant.
func (e *Engine) keep(tenant string) Keep {
	k := Keep{Age: e.age(tenant), Bytes: e.cfg.Tenants[tenant].Bytes}
	if k.Bytes == 0 {
		k.Bytes = e.cfg.MaxTenantBytes
	}
	if k.Bytes == 0 {
		if total, err := totalBytes(e.cfg.Dir); err == nil {
			// By the tenant's own size: what others put on the disk must not cost lines.
			k.Bytes = total / 100 * uint64(e.cfg.MaxDiskPercent)
		}
	}
	return k
}

func (e *Engine) age(tenant string) time.Duration {
	if age := e.cfg.Tenants[tenant].Age; age != 0 {
		return age
	}
	return e.cfg.Retention
}

// storedDay is one day of a tenant's lines on disk.
type storedDay struct {
	name  string
	bytes uint64
}

// dueDays are the days, of some in order, that are not kept, and why: "age" or
// "size".
func dueDays(days []storedDay, k Keep, now time.Time) (due []string, reason string) {
	oldest := dayName(now.Add(-k.Age).UnixNano() / nanosPerDay)
	n := 0
	for n < len(days) && days[n].name < oldest {
		n++
		reason = "age"
	}
	if k.Bytes > 0 {
		total := uint64(0)
		for i := len(days) - 1; i >= n; i-- {
			total += days[i].bytes
			if total > k.Bytes && i < len(days)-keptDays {
				n, reason = i+1, "size"
			}
		}
	}
	for _, d := range days[:n] {
		due = append(due, d.name)
	}
	return due, reason
}

// watchRetention removes what is not kept until ctx ends.
func (e *Engine) watchRetention(ctx context.Context) {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		if err := e.retain(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("lines that are not kept were not removed: this is tried again", "dir", e.cfg.Dir, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// retain removes the days of every tenant that are not kept.
func (e *Engine) retain(ctx context.Context) error {
	dirs, err := os.ReadDir(e.home.path("tenants"))
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	var errs []error
	for _, d := range dirs {
		name, err := hex.DecodeString(d.Name())
		if err != nil {
			continue // told when it is needed
		}
		if err := e.retainOf(ctx, string(name)); err != nil {
			errs = append(errs, fmt.Errorf("tenant %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) retainOf(ctx context.Context, name string) error {
	e.dropping.Lock()
	defer e.dropping.Unlock()
	days, err := e.daysOnDisk(e.tenants.dir(name))
	if err != nil {
		return err
	}
	due, reason := dueDays(days, e.keep(name), e.cfg.Now())
	if len(due) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	freed := uint64(0)
	for _, d := range days[:len(due)] {
		freed += d.bytes
	}
	if err := e.dropDays(ctx, name, due); err != nil {
		return err
	}
	e.metrics.removedDays.WithLabelValues(reason).Add(float64(len(due)))
	e.log.Info("days of lines that are not kept were removed", "tenant", name, "reason", reason,
		"from", due[0], "to", due[len(due)-1], "days", len(due), "bytes", freed)
	return nil
}

// daysOnDisk lists a tenant's days in order.
func (e *Engine) daysOnDisk(dir string) ([]storedDay, error) {
	parts, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var days []storedDay
	for _, p := range parts {
		day, err := time.Parse("20060102", p.Name())
		if err != nil {
			continue
		}
		size, err := e.dayBytes(filepath.Join(dir, "partitions", p.Name()), day)
		if err != nil {
			return nil, err
		}
		days = append(days, storedDay{p.Name(), size})
	}
	return days, nil
}

// measured is the size of a day's directory.
type measured struct {
	bytes uint64
	at    time.Time
}

// dayBytes measures a day's directory, an old one now and then.
func (e *Engine) dayBytes(dir string, day time.Time) (uint64, error) {
	now := e.cfg.Now()
	old := now.Sub(day) > oldDay
	if m, ok := e.measured[dir]; ok && old && now.Sub(m.at) < measureOldDays {
		return m.bytes, nil
	}
	size, err := treeBytes(dir)
	if err == nil && old {
		e.measured[dir] = measured{size, now}
	}
	return size, err
}

// treeBytes adds up the files below dir; those that go meanwhile do not count.
func treeBytes(dir string) (total uint64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if d.IsDir() {
			if d.Name() == "snapshots" {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err == nil {
			total += uint64(info.Size())
		}
		return nil
	})
	return total, err
}

// dropDays removes days, oldest first. Lines of them that come meanwhile are
// counted as expired; once the days are gone such lines are taken again and
// judged by the next look.
func (e *Engine) dropDays(ctx context.Context, name string, days []string) error {
	last, err := time.Parse("20060102", days[len(days)-1])
	if err != nil {
		return err
	}
	e.floors.Store(name, last.Add(24*time.Hour).UnixNano())
	defer e.floors.Delete(name)
	// After this pause the appliers know of the floor: the engine would drop rows
	// of a day that is being removed and tell nobody.
	if err := e.atPause(ctx, func(int64, []byte) error { return nil }); err != nil {
		return err
	}
	for _, day := range days {
		if err := e.dropDay(name, day); err != nil {
			return fmt.Errorf("remove day %s: %w", day, err)
		}
	}
	return e.clearDropped()
}

func (e *Engine) dropDay(name, day string) error {
	from := filepath.Join(e.tenants.dir(name), "partitions", day)
	delete(e.measured, from)
	if err := e.inventory.forget(filepath.Base(e.tenants.dir(name)), day); err != nil {
		return err
	}
	to := e.home.path("dropped", hex.EncodeToString([]byte(name))+"-"+day)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	e.tenants.mu.Lock()
	t := e.tenants.opened[name]
	if t == nil { // nobody opens it meanwhile
		defer e.tenants.mu.Unlock()
		return os.Rename(from, to)
	}
	e.tenants.mu.Unlock()
	if slices.Contains(t.storage.PartitionList(), day) {
		// Waits for the queries that read it.
		if err := t.storage.PartitionDetach(day); err != nil {
			return err
		}
	}
	t.known.allChanged()
	return os.Rename(from, to)
}

// clearDropped removes days that were taken out of the engine's sight, those of
// a process that was killed too.
func (e *Engine) clearDropped() error {
	if err := os.RemoveAll(e.home.path("dropped")); err != nil {
		return fmt.Errorf("remove days that are not kept: %w", err)
	}
	return nil
}

// oldestKept is the time before which lines of a tenant are not taken.
func (e *Engine) oldestKept(tenant string) int64 {
	oldest := e.cfg.Now().Add(-e.age(tenant)).UnixNano()
	if floor, ok := e.floors.Load(tenant); ok {
		oldest = max(oldest, floor.(int64))
	}
	return oldest
}
