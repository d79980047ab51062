package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// DamagedError names what of a target is not as it was written.
type DamagedError struct {
	Objects []string // by name, in order
}

func (e *DamagedError) Error() string {
	shown, more := e.Objects, ""
	if len(shown) > 10 {
		shown, more = shown[:10], fmt.Sprintf(" and %d more", len(e.Objects)-10)
	}
	return fmt.Sprintf("%d files of the target are damaged or missing: %v%s: remove them from it and back up again, which copies them anew; "+
		"backups that need them cannot be restored until then", len(e.Objects), shown, more)
}

// Verify reads all that a backup holds (name "": all backups) and compares the
// checksums. The error is *DamagedError where some are wrong.
func Verify(ctx context.Context, from Target, name string, progress Progress) (Summary, error) {
	names := []string{name}
	if name == "" {
		var err error
		if names, err = Names(ctx, from); err != nil {
			return Summary{}, err
		}
		if len(names) == 0 {
			return Summary{}, ErrNone
		}
	}
	s := Summary{Name: names[len(names)-1]}
	objects := make(map[string]file) // each once, however many backups hold it
	for _, name := range names {
		m, err := readManifest(ctx, from, name)
		if err != nil {
			return s, err
		}
		for _, f := range m.Files {
			if f.Size > 0 {
				objects[f.SHA256] = f
			}
		}
	}
	for _, f := range objects {
		s.Files++
		s.Bytes += f.Size
	}
	damaged, err := verifyAll(ctx, from, objects, s.Bytes, progress)
	if err == nil && len(damaged) > 0 {
		slices.Sort(damaged)
		err = &DamagedError{damaged}
	}
	return s, err
}

func verifyAll(ctx context.Context, from Target, objects map[string]file, total uint64, progress Progress) (damaged []string, err error) {
	var mu sync.Mutex
	var done atomic.Uint64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for sum, f := range objects {
		group.Go(func() error {
			good, err := verifyObject(ctx, from, sum)
			if err != nil {
				return fmt.Errorf("read %s: %w", objectName(sum), err)
			}
			if !good {
				mu.Lock()
				damaged = append(damaged, objectName(sum))
				mu.Unlock()
			}
			progress(done.Add(f.Size), total)
			return nil
		})
	}
	return damaged, group.Wait()
}

func verifyObject(ctx context.Context, from Target, sum string) (good bool, err error) {
	r, err := from.Get(ctx, objectName(sum))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == sum, nil
}
