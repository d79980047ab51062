package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// The engine panics on a damaged part, in a goroutine where nothing recovers
// it, and often only when a query reads the part. So after an unclean end a
// child process reads, from hard links, what is not as the inventory says. If it
// dies the culprit is looked for, part by part, and moved to damaged/ in the
// store's directory; the rest is served.

// scanEnv tells a process that it is such a child and names the storage.
const scanEnv = "REMORA_STORE_SCAN"

func init() {
	if dir := os.Getenv(scanEnv); dir != "" {
		scanChild(dir)
	}
}

// scanChild reads all there is and ends the process: with 0 where that went
// well, as a panic does where it did not.
func scanChild(dir string) {
	debug.SetTraceback("single")
	startLibrary(defaultMemory, false)
	cfg := Config{Dir: dir}.withDefaults()
	e := &Engine{cfg: cfg}
	t := &tenant{storage: logstorage.MustOpenStorage(dir, e.storageConfig())}
	// Without its stream a row is read also where the index has lost that.
	for _, query := range []string{"*", "remora-scan remora_file:=x"} {
		q, err := logstorage.ParseQuery(query)
		if err != nil {
			panic(err)
		}
		qctx := logstorage.NewQueryContext(context.Background(), &logstorage.QueryStats{}, tenantID, q, false, []string{"_stream", "_stream_id"})
		if err := t.storage.RunQuery(qctx, func(uint, *logstorage.DataBlock) {}); err != nil {
			panic(err)
		}
	}
	if panicking() {
		time.Sleep(10 * time.Second) // the runtime ends the process before that
		os.Exit(3)
	}
	os.Exit(0)
}

// panicking reports whether some goroutine is in a panic. One of a query that
// panics counts as done before the panic ends the process, so that the query may
// seem to have ended well.
func panicking() bool {
	buf := make([]byte, 1<<20)
	return bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("\npanic("))
}

// scanParts finds what would make the engine panic and moves it aside. Parts that
// look as the inventory lists them are left for later, unless the last process
// panicked.
func (e *Engine) scanParts() (later []partRef, err error) {
	s := scanner{engine: e, scratch: e.home.path("scan"), all: e.home.panicked()}
	if err := os.RemoveAll(s.scratch); err != nil {
		return nil, fmt.Errorf("scan store: %w", err)
	}
	tenants, err := filepath.Glob(e.home.path("tenants", "*", "partitions"))
	if err != nil {
		return nil, fmt.Errorf("scan store: %w", err)
	}
	start := time.Now()
	for _, dir := range tenants {
		if err := s.tenant(dir); err != nil {
			return nil, fmt.Errorf("scan store: %w", err)
		}
	}
	if len(tenants) > 0 {
		e.log.Info("the store was not closed in order: what is new in it was read, the rest is read while serving",
			"dir", e.cfg.Dir, "after_panic", s.all, "parts_read", s.read, "parts_later", len(s.later), "took", time.Since(start))
	}
	return s.later, os.RemoveAll(s.scratch)
}

type scanner struct {
	engine  *Engine
	scratch string
	all     bool // take nothing to be whole

	read  int // parts read
	later []partRef
}

// suspects are the parts of a day that are not as the inventory says; known is
// whether anything is, the stream index among it, so that all is to be looked at
// where there is no part of lines but an index that is not known.
func (s *scanner) suspects(dir, day string, parts []string) (read []string, index bool) {
	tenant := filepath.Base(filepath.Dir(dir))
	var list dayInventory
	if !s.all {
		list = s.engine.inventory.read(tenant, day)
	}
	known := func(kind, name string) bool {
		key := kind + "/" + name
		if !list[key].looksWhole(filepath.Join(dir, day, kind, name)) {
			return false
		}
		s.later = append(s.later, partRef{tenant: tenant, day: day, part: key, files: list[key]})
		return true
	}
	for _, name := range parts {
		if !known("datadb", name) {
			read = append(read, name)
		}
	}
	names, err := partNames(filepath.Join(dir, day, "indexdb"))
	index = err != nil || len(names) == 0
	for _, name := range names {
		index = !known("indexdb", name) || index
	}
	s.read += len(read)
	return read, index
}

func (s *scanner) tenant(dir string) error {
	days, err := subdirs(dir)
	if err != nil {
		return err
	}
	whole := make(map[string][]string, len(days))
	for _, day := range days {
		parts, err := partNames(filepath.Join(dir, day, "datadb"))
		if err != nil {
			// Reading them one by one finds out.
			whole = nil
			break
		}
		if read, index := s.suspects(dir, day, parts); len(read) > 0 || index {
			whole[day] = read
		}
	}
	if whole != nil {
		if len(whole) == 0 {
			return nil
		}
		if good, err := s.try(dir, whole); good || err != nil {
			return err
		}
		days = slices.Sorted(maps.Keys(whole))
	}
	for _, day := range days {
		if err := s.day(dir, day, whole[day]); err != nil {
			return err
		}
	}
	return nil
}

// day looks for what is damaged in one partition, among the given parts of it
// (nil: all).
func (s *scanner) day(dir, day string, suspects []string) error {
	parts, err := partNames(filepath.Join(dir, day, "datadb"))
	if err != nil {
		return s.moveAside(filepath.Join(dir, day), err.Error())
	}
	if suspects == nil {
		suspects = parts
	}
	if good, err := s.try(dir, map[string][]string{day: suspects}); good || err != nil {
		return err
	}
	if good, err := s.try(dir, map[string][]string{day: {}}); err != nil {
		return err
	} else if !good {
		return s.moveAside(filepath.Join(dir, day), "its stream index cannot be read")
	}
	left := slices.Clone(parts)
	for _, part := range suspects {
		good, err := s.try(dir, map[string][]string{day: {part}})
		if err != nil {
			return err
		}
		if good {
			continue
		}
		left = slices.DeleteFunc(left, func(p string) bool { return p == part })
		// The list last: a part that is not listed the engine removes, one that is
		// listed and not there is found by the next scan.
		if err := s.moveAside(filepath.Join(dir, day, "datadb", part), "it cannot be read"); err != nil {
			return err
		}
		if err := writePartNames(filepath.Join(dir, day, "datadb"), left); err != nil {
			return err
		}
	}
	return nil
}

// try reports whether a child can read a storage that holds the given parts by
// day, together with the days' indexes.
func (s *scanner) try(dir string, days map[string][]string) (bool, error) {
	if err := os.RemoveAll(s.scratch); err != nil {
		return false, err
	}
	for day, parts := range days {
		to := filepath.Join(s.scratch, "partitions", day)
		err := copyTree(filepath.Join(dir, day, "indexdb"), filepath.Join(to, "indexdb"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		if err := os.MkdirAll(filepath.Join(to, "datadb"), 0o755); err != nil {
			return false, err
		}
		for _, part := range parts {
			err := copyTree(filepath.Join(dir, day, "datadb", part), filepath.Join(to, "datadb", part))
			if errors.Is(err, os.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
		}
		if err := writePartNames(filepath.Join(to, "datadb"), parts); err != nil {
			return false, err
		}
	}
	return runScan(s.scratch)
}

func runScan(dir string) (good bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("start a child that reads the store: %w", err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, scanEnv+"=") }), scanEnv+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return false, nil
	}
	// Not started, or ended from outside: that says nothing about the parts.
	return false, fmt.Errorf("a child process that reads the store: %w: %.200s", err, stderr.Bytes())
}

// moveAside takes a part or a partition out of the engine's sight.
func (s *scanner) moveAside(path, why string) error {
	rel, err := filepath.Rel(s.engine.cfg.Dir, path)
	if err != nil {
		return err
	}
	to := s.engine.home.path("damaged", rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Rename(path, to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.engine.metrics.partsMoved.Inc()
	s.engine.log.Error("a damaged part of the store was moved aside: its lines are missing from answers", "part", path, "moved_to", to, "why", why)
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(filepath.Dir(to)))
}

func subdirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range entries {
		if d.IsDir() {
			names = append(names, d.Name())
		}
	}
	return names, nil
}

func partNames(datadb string) ([]string, error) {
	var names []string
	err := readJSON(filepath.Join(datadb, "parts.json"), &names)
	if errors.Is(err, os.ErrNotExist) {
		// Killed while the partition was being made.
		return nil, nil
	}
	return names, err
}

func writePartNames(datadb string, names []string) error {
	if names == nil {
		names = []string{}
	}
	data, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return writeFileSync(filepath.Join(datadb, "parts.json"), data)
}
