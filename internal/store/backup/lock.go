package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A target is written to by one backup at a time: each leaves an object in locks/
// first, renews it, and takes it away. Of two that begin together both may be
// refused, never both go on. One that was not renewed for lockStale is that of a
// backup that was killed, and is removed.

const (
	locksDir  = "locks"
	lockRenew = time.Minute
	lockStale = 10 * time.Minute
)

// lock says who writes to a target.
type lock struct {
	Host    string    `json:"host"`
	Process int       `json:"process"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen"`
}

// BusyError tells who else writes to the target.
type BusyError struct{ other lock }

func (e *BusyError) Error() string {
	return fmt.Sprintf("process %d on %s has been writing to this target since %s: wait for it; if it was killed, its lock ends %s after it",
		e.other.Process, e.other.Host, e.other.Since.UTC().Format(time.RFC3339), lockStale)
}

// Lock makes this process the only one that writes to a target, until release is
// called; the error is *BusyError where another one does.
func Lock(ctx context.Context, t Target, now func() time.Time) (release func() error, err error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	own := lock{Host: host, Process: os.Getpid(), Since: now()}
	name := locksDir + "/" + rand.Text()
	put := func(ctx context.Context) error {
		own.Seen = now()
		data, err := json.Marshal(own)
		if err != nil {
			return err
		}
		return t.Put(ctx, name, bytes.NewReader(data), int64(len(data)))
	}
	if err := put(ctx); err != nil {
		return nil, fmt.Errorf("lock the target: %w", err)
	}
	// Afterwards, so that of two at least one sees the other.
	if err := others(ctx, t, name, now()); err != nil {
		return nil, errors.Join(err, t.Remove(context.WithoutCancel(ctx), name))
	}
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lockRenew)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = put(ctx) // the next one may go through; ten are missed before anybody minds
			}
		}
	}()
	return func() error {
		end()
		<-ended
		if err := t.Remove(context.WithoutCancel(ctx), name); err != nil {
			return fmt.Errorf("unlock the target: %w", err)
		}
		return nil
	}, nil
}

// others is a *BusyError where somebody else holds a lock; locks of processes that
// are gone are removed.
func others(ctx context.Context, t Target, own string, now time.Time) error {
	var names []string
	err := t.List(ctx, locksDir, func(name string, _ int64) error {
		if name != own {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the locks of the target: %w", err)
	}
	for _, name := range names {
		other, err := readLock(ctx, t, name)
		if err != nil {
			continue // it has gone
		}
		if now.Sub(other.Seen) < lockStale {
			return &BusyError{other}
		}
		if err := t.Remove(ctx, name); err != nil {
			return fmt.Errorf("remove the lock of a backup that was killed: %w", err)
		}
	}
	return nil
}

func readLock(ctx context.Context, t Target, name string) (lock, error) {
	var l lock
	r, err := t.Get(ctx, name)
	if err != nil {
		return l, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, 4096))
	if err != nil {
		return l, err
	}
	if json.Unmarshal(data, &l) != nil {
		// Torn: by a backup that was killed, of which nobody knows when.
		return lock{Host: strings.TrimPrefix(name, locksDir+"/")}, nil
	}
	return l, nil
}
