package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// writers play Ray's processes below one root. Each line is written while the gate
// is held for reading, so that whoever holds it for writing finds all at rest.
type writers struct {
	root  string
	seed  uint64
	nocut bool

	gate    sync.RWMutex
	mu      sync.Mutex
	streams []*stream
	latest  string // session
	count   int
	err     error
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup
}

func (w *writers) logs(session string) string { return filepath.Join(w.root, session, "logs") }

func (w *writers) stream(session, name string, form form) *stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &stream{id: len(w.streams), session: session, name: name, form: form, gone: map[int]bool{}}
	w.streams = append(w.streams, s)
	return s
}

func (w *writers) all() []*stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.streams)
}

func (w *writers) session() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest
}

// flip begins a session: its directory, and session_latest leads to it.
func (w *writers) flip() error {
	w.mu.Lock()
	w.count++
	name := fmt.Sprintf("session_%s_%06d_%d", time.Now().Format("2006-01-02_15-04-05"), w.count, w.count)
	w.mu.Unlock()
	if err := os.MkdirAll(w.logs(name), 0o755); err != nil {
		return err
	}
	// Ray unlinks and links anew, as we do.
	link := filepath.Join(w.root, "session_latest")
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Join(w.root, name), link); err != nil {
		return err
	}
	w.mu.Lock()
	w.latest = name
	w.mu.Unlock()
	return nil
}

// start begins everything that writes; the context that it returns ends with stop.
func (w *writers) start(ctx context.Context) (context.Context, error) {
	if _, err := patient(func() (int, error) { return 0, w.flip() }); err != nil {
		return nil, err
	}
	ctx, w.cancel = context.WithCancelCause(ctx)
	first := w.session()
	chains := []struct {
		name  string
		form  form
		names func(string) func(int) string
		keep  int
	}{
		{"raylet.out", cpp, dotted, 3},
		{"gcs_server.out", cpp, dotted, 3},
		{"dashboard.log", python, dotted, 5},
		{"monitor.log", python, dotted, 3},
		{"python-core-worker-" + workerID(1) + "_11.log", cpp, spdlog, 3},
		{"events/event_RAYLET.log", plain, spdlog, 3},
		{"worker-" + workerID(2) + "-01000000-12.out", plain, dotted, 3},
		{"worker-" + workerID(3) + "-01000000-13.err", wild, dotted, 2},
	}
	for i, c := range chains {
		w.play(ctx, i, func(ctx context.Context, r *rand.Rand) error {
			return w.chain(ctx, r, first, c.name, c.form, c.names(c.name), c.keep)
		})
	}
	more := []func(context.Context, *rand.Rand) error{w.driver, w.workers, w.workers, w.bursts, w.short, w.reuse, w.sessions}
	for i, play := range more {
		w.play(ctx, 100+i, play)
	}
	return ctx, nil
}

func (w *writers) play(ctx context.Context, i int, f func(context.Context, *rand.Rand) error) {
	r := rand.New(rand.NewPCG(w.seed, uint64(i)))
	w.wg.Go(func() {
		if err := f(ctx, r); err != nil && ctx.Err() == nil {
			w.cancel(fmt.Errorf("writer %d: %w", i, err))
			w.mu.Lock()
			w.err = errors.Join(w.err, fmt.Errorf("writer %d: %w", i, err))
			w.mu.Unlock()
		}
	})
}

// stop ends all writers and waits for them.
func (w *writers) stop() error {
	if w.cancel == nil {
		return nil
	}
	w.cancel(nil)
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// step does one thing of a writer while no rest is asked for, then waits.
func (w *writers) step(ctx context.Context, wait time.Duration, do func() error) error {
	w.gate.RLock()
	err := ctx.Err()
	if err == nil {
		err = do()
	}
	w.gate.RUnlock()
	if err != nil {
		return err
	}
	return pause(ctx, wait)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

func workerID(n int) string { return fmt.Sprintf("%056x", n) }

// rotationBytes is RAY_ROTATION_MAX_BYTES as small as Ray allows it.
const rotationBytes = 20000

// chain is a component that writes for ever and rotates by size, now and then
// several times at once.
func (w *writers) chain(ctx context.Context, r *rand.Rand, session, name string, form form, names func(int) string, keep int) error {
	f, err := w.open(session, name, form, names)
	if err != nil {
		return err
	}
	defer f.close()
	for {
		err := w.step(ctx, between(r, 5*time.Millisecond, 60*time.Millisecond), func() error {
			switch x := r.IntN(1000); {
			case f.size > rotationBytes:
				return f.turn(keep, between(r, 0, 3*time.Millisecond))
			case x < 4: // several renames between two looks
				for range 1 + r.IntN(keep) {
					if err := errors.Join(f.write(), f.turn(keep, 0)); err != nil {
						return err
					}
				}
				return f.write()
			case x < 20:
				return f.pieces(r)
			case x < 23:
				if err := f.breakOff(r); err != nil {
					return err
				}
				return errors.Join(f.turn(keep, time.Millisecond), f.write())
			default:
				return f.write()
			}
		})
		if err != nil {
			return err
		}
	}
}

// driver is the log of a job's driver: it is never rotated by Ray, but copied and
// emptied by logrotate, or emptied by somebody.
func (w *writers) driver(ctx context.Context, r *rand.Rand) error {
	name := "job-driver-raysubmit_AbCdEfGh.log"
	f, err := w.open(w.session(), name, plain, dotted(name))
	if err != nil {
		return err
	}
	defer f.close()
	for {
		err := w.step(ctx, between(r, 5*time.Millisecond, 50*time.Millisecond), func() error {
			switch x := r.IntN(1000); {
			case w.nocut:
				return f.write()
			case x < 3 && f.size > 3000:
				return f.copyTruncate(x == 0)
			case x < 4 && f.size > 3000:
				return f.truncate()
			default:
				return f.write()
			}
		})
		if err != nil {
			return err
		}
	}
}

// workers come and go; the files of the dead stay, are moved to old/, or deleted.
func (w *writers) workers(ctx context.Context, r *rand.Rand) error {
	for n := 0; ; n++ {
		ext := []string{"out", "err"}[r.IntN(2)]
		name := fmt.Sprintf("worker-%s-%s-%d.%s", workerID(int(r.Int32())), []string{"ffffffff", "02000000"}[r.IntN(2)], 1000+n, ext)
		form := []form{plain, plain, wild}[r.IntN(3)]
		var f *file
		err := w.step(ctx, 0, func() (err error) {
			if f, err = w.open(w.session(), name, form, dotted(name)); err != nil {
				return err
			}
			return f.put([]byte(":job_id:02000000\n"))
		})
		for i := r.IntN(25); err == nil && i >= 0; i-- {
			err = w.step(ctx, between(r, 0, 40*time.Millisecond), f.write)
		}
		if err == nil {
			err = w.step(ctx, between(r, 10*time.Millisecond, 100*time.Millisecond), func() error { return w.die(f, r) })
		}
		if f != nil {
			f.close()
		}
		if err != nil {
			return err
		}
	}
}

func (w *writers) die(f *file, r *rand.Rand) error {
	if r.IntN(3) == 0 {
		if err := f.breakOff(r); err != nil {
			return err
		}
	}
	switch r.IntN(4) {
	case 0:
		return f.drop()
	case 1:
		return f.retire()
	}
	return nil
}

// bursts are loud workers: 20 KB files that turn over 25 times in a second.
func (w *writers) bursts(ctx context.Context, r *rand.Rand) error {
	for n := 0; ; n++ {
		if err := pause(ctx, between(r, 2*time.Second, 12*time.Second)); err != nil {
			return err
		}
		name := fmt.Sprintf("worker-%s-03000000-%d.out", workerID(int(r.Int32())), 5000+n)
		var f *file
		err := w.step(ctx, 0, func() (err error) {
			f, err = w.open(w.session(), name, plain, dotted(name))
			return err
		})
		for turns := 5 + r.IntN(71); err == nil && turns > 0; turns-- {
			next := time.Now().Add(40 * time.Millisecond)
			for err == nil && f.size < rotationBytes {
				err = w.step(ctx, 0, f.write)
			}
			if err == nil {
				err = w.step(ctx, time.Until(next), func() error { return f.turn(3, 2*time.Millisecond) })
			}
		}
		if f != nil {
			f.close()
		}
		if err != nil {
			return err
		}
	}
}

// short files are made, written and deleted within 100 ms.
func (w *writers) short(ctx context.Context, r *rand.Rand) error {
	for n := 0; ; n++ {
		name := fmt.Sprintf("worker-%s-04000000-%d.out", workerID(int(r.Int32())), 20000+n)
		err := w.step(ctx, between(r, 50*time.Millisecond, 600*time.Millisecond), func() error {
			f, err := w.open(w.session(), name, plain, dotted(name))
			if err != nil {
				return err
			}
			for range 1 + r.IntN(5) {
				if err := f.write(); err != nil {
					return err
				}
			}
			time.Sleep(95 * time.Millisecond)
			return f.drop()
		})
		if err != nil {
			return err
		}
	}
}

// reuse makes and deletes files so that their inode numbers come back at once, under
// new names and under the same.
func (w *writers) reuse(ctx context.Context, r *rand.Rand) error {
	for n := 0; ; n++ {
		if err := pause(ctx, between(r, 2*time.Second, 8*time.Second)); err != nil {
			return err
		}
		name := fmt.Sprintf("worker-%s-05000000-%d.out", workerID(int(r.Int32())), 40000+n)
		f := &file{stream: w.stream(w.session(), name, plain), dir: w.logs(w.session()), name: dotted(name)}
		for range 4 + r.IntN(10) {
			err := w.step(ctx, 0, func() error {
				if err := f.create(); err != nil {
					return err
				}
				for range 1 + r.IntN(10) {
					if err := f.write(); err != nil {
						return err
					}
				}
				time.Sleep(between(r, 85*time.Millisecond, 150*time.Millisecond))
				return f.drop()
			})
			if err != nil {
				return err
			}
		}
	}
}

// sessions flips session_latest now and then.
func (w *writers) sessions(ctx context.Context, r *rand.Rand) error {
	for {
		if err := w.step(ctx, between(r, 10*time.Second, 40*time.Second), func() error { return nil }); err != nil {
			return err
		}
		if err := w.step(ctx, 0, w.flip); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// crowd is n workers of one job that begin with the same line.
func (w *writers) crowd(n int) error {
	var files []*file
	for i := range n {
		name := fmt.Sprintf("worker-%s-06000000-%d.out", workerID(1<<20+i), 60000+i)
		f, err := w.open(w.session(), name, plain, dotted(name))
		if err != nil {
			return err
		}
		if err := f.put([]byte(":job_id:06000000\n")); err != nil {
			return err
		}
		f.close()
		files = append(files, f)
	}
	for _, f := range files {
		fd, err := os.OpenFile(f.path(0), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		f.f = fd
		if err := errors.Join(f.write(), f.write(), f.write()); err != nil {
			return err
		}
		f.close()
	}
	return nil
}

// long writes one line of ten megabytes.
func (w *writers) long() error {
	name := fmt.Sprintf("worker-%s-07000000-%d.out", workerID(len(w.all())), 70000)
	f, err := w.open(w.session(), name, plain, dotted(name))
	if err != nil {
		return err
	}
	defer f.close()
	f.mu.Lock()
	f.form = huge
	f.mu.Unlock()
	return errors.Join(f.write(), f.write())
}

// flood writes lines to two files by turns, so that no two events are alike.
func (w *writers) flood(n int) error {
	var files [2]*file
	for i := range files {
		name := fmt.Sprintf("worker-%s-08000000-%d.out", workerID(1<<21+len(w.all())), 80000+i)
		f, err := w.open(w.session(), name, plain, dotted(name))
		if err != nil {
			return err
		}
		defer f.close()
		files[i] = f
	}
	for i := range n {
		if err := files[i%2].write(); err != nil {
			return err
		}
	}
	return nil
}
