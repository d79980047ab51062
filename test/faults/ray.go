package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

//go:embed scripts/teller.py
var tellerScript []byte

// realRay is a Ray whose actors write numbered lines among all that it writes itself.
// Its files turn over as Ray turns them.
type realRay struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	mark    string // in the environment of all of its processes
	streams []*stream
}

// realRayBackups is how many files Ray keeps of each: at the rate of its actors none
// is deleted within a minute, so that all of it can be had after any fault.
const realRayBackups = 20

// rayPython is the Python of the Ray that is to be used, or why there is none.
func (o options) rayPython() (string, error) {
	dir := o.ray
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "remora", "ray-2.60.0")
	}
	python := filepath.Join(dir, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		return "", fmt.Errorf("no Ray: %w (make e2e-ray installs one)", err)
	}
	return python, nil
}

// addRay starts a Ray in one world of four, if there is one.
func (w *world) addRay(ctx context.Context) error {
	if w.i%4 != 0 || w.noray {
		return nil
	}
	python, err := w.rayPython()
	if err != nil {
		if os.Getenv("CI") != "" {
			return err
		}
		w.table.skips["a real Ray among the writers"] = err.Error()
		return nil
	}
	if err := w.startRay(python); err != nil {
		return err
	}
	w.writers.play(ctx, 200, w.tellers)
	return nil
}

// startRay starts Ray and waits until its actors are there.
func (w *world) startRay(python string) error {
	r := &realRay{mark: "REMORA_FAULTS_RAY=" + w.dir}
	script := w.path("teller.py")
	if err := os.WriteFile(script, tellerScript, 0o644); err != nil {
		return err
	}
	// Ray replaces 127.0.0.1 by the address of some network card.
	r.cmd = exec.Command(python, script, w.writers.root, "127.0.0.2")
	r.cmd.Env = append(os.Environ(), r.mark, "RAY_USAGE_STATS_ENABLED=0", "RAY_AUTH_MODE=disabled", "PYTHONDONTWRITEBYTECODE=1",
		"RAY_ROTATION_MAX_BYTES="+strconv.Itoa(rotationBytes), "RAY_ROTATION_BACKUP_COUNT="+strconv.Itoa(realRayBackups))
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(w.path("ray.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	r.cmd.Stderr = log
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	r.out = bufio.NewScanner(out)
	if err := r.cmd.Start(); err != nil {
		return err
	}
	w.ray = r
	defer time.AfterFunc(90*time.Second, r.end).Stop()
	return w.meetRay(r)
}

// meetRay learns which files its actors write to.
func (w *world) meetRay(r *realRay) error {
	var said struct {
		Session string
		Tellers []struct {
			Worker string
			Pid    int
		}
	}
	for r.out.Scan() {
		if json.Unmarshal(r.out.Bytes(), &said) == nil && said.Session != "" {
			break
		}
	}
	if said.Session == "" {
		return errors.New("ray did not start, see ray.log")
	}
	for _, t := range said.Tellers {
		pattern := filepath.Join(w.writers.logs(said.Session), fmt.Sprintf("worker-%s-*-%d.out", t.Worker, t.Pid))
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) != 1 {
			return fmt.Errorf("files of Ray's worker: %v %w", found, err)
		}
		s := w.writers.stream(said.Session, filepath.Base(found[0]), told)
		s.next().born = time.Now()
		r.streams = append(r.streams, s)
	}
	return nil
}

// tellers have Ray's actors write, a few lines at a time.
func (w *world) tellers(ctx context.Context, rand *rand.Rand) error {
	for {
		err := w.writers.step(ctx, between(rand, 50*time.Millisecond, 400*time.Millisecond), func() error {
			i := rand.IntN(len(w.ray.streams))
			return w.ray.tell(i, 1+rand.IntN(30))
		})
		if err != nil {
			return err
		}
	}
}

// tell has actor i print n lines.
func (r *realRay) tell(i, n int) error {
	s := r.streams[i]
	s.mu.Lock()
	from := s.lines
	s.lines += n
	s.mu.Unlock()
	if _, err := fmt.Fprintln(r.in, i, s.id, from, n); err != nil {
		return fmt.Errorf("tell Ray's actor: %w", err)
	}
	if !r.out.Scan() || r.out.Text() != "ok" {
		return fmt.Errorf("ray's actor answers %q: %w", r.out.Text(), r.out.Err())
	}
	return nil
}

// end ends Ray and whatever it has started.
func (r *realRay) end() {
	_ = r.in.Close()
	kill := time.AfterFunc(15*time.Second, func() { _ = r.cmd.Process.Kill() })
	_ = r.cmd.Wait()
	kill.Stop()
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append(text, 0), []byte(r.mark+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
