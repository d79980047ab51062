package embedded

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/store"
)

// diskFloor tells when the disk is too full to take more. The engine panics on
// a full disk, so appends stop well before.
type diskFloor struct {
	dir   string
	floor uint64
	free  func(dir string) (uint64, error)
	now   func() time.Time

	mu      sync.Mutex
	checked time.Time
	last    uint64
}

const (
	minDiskFloor = 64 << 20
	maxDiskFloor = 5 << 30
	// How old an answer about free space may be; at 500 MB/s a disk loses half a
	// floor's least in that time.
	diskCheckEvery = 100 * time.Millisecond
)

func freeBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

func totalBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("size of the disk of %s: %w", dir, err)
	}
	return st.Blocks * uint64(st.Bsize), nil
}

func (d *diskFloor) init() error {
	if d.floor > 0 {
		return nil
	}
	total, err := totalBytes(d.dir)
	if err != nil {
		return err
	}
	d.floor = min(max(total/20, minDiskFloor), maxDiskFloor)
	return nil
}

// check is store.ErrDiskFull where the disk is below its floor.
func (d *diskFloor) check() error {
	free, err := d.freeNow()
	if err != nil {
		return err
	}
	if free < d.floor {
		return fmt.Errorf("%w: %s has %d MiB free, at least %d are kept free: delete something or make the disk larger",
			store.ErrDiskFull, d.dir, free>>20, d.floor>>20)
	}
	return nil
}

func (d *diskFloor) freeNow() (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if age := now.Sub(d.checked); !d.checked.IsZero() && age >= 0 && age < diskCheckEvery {
		return d.last, nil
	}
	free, err := d.free(d.dir)
	if err != nil {
		return 0, err
	}
	d.checked, d.last = now, free
	return free, nil
}
