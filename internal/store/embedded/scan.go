package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// The engine panics on a damaged part, in a goroutine where nothing recovers
// it, and often only when a query reads the part. So after an unclean end a
// child process reads everything once, from hard links. If it dies the culprit
// is looked for, part by part, and moved to damaged/ in the store's directory;
// the rest is served.

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
	startLibrary(defaultMemory)
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
	os.Exit(0)
}

// scanParts finds what would make the engine panic and moves it aside.
func (e *Engine) scanParts() error {
	s := scanner{engine: e, scratch: e.home.path("scan")}
	if err := os.RemoveAll(s.scratch); err != nil {
		return fmt.Errorf("scan store: %w", err)
	}
	tenants, err := filepath.Glob(e.home.path("tenants", "*", "partitions"))
	if err != nil {
		return fmt.Errorf("scan store: %w", err)
	}
	if len(tenants) == 0 {
		return nil
	}
	e.log.Info("the store was not closed in order: reading all of it once", "dir", e.cfg.Dir)
	for _, dir := range tenants {
		if err := s.tenant(dir); err != nil {
			return fmt.Errorf("scan store: %w", err)
		}
	}
	return os.RemoveAll(s.scratch)
}

type scanner struct {
	engine  *Engine
	scratch string
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
		whole[day] = parts
	}
	if whole != nil {
		if good, err := s.try(dir, whole); good || err != nil {
			return err
		}
	}
	for _, day := range days {
		if err := s.day(dir, day); err != nil {
			return err
		}
	}
	return nil
}

// day looks for what is damaged in one partition.
func (s *scanner) day(dir, day string) error {
	parts, err := partNames(filepath.Join(dir, day, "datadb"))
	if err != nil {
		return s.moveAside(filepath.Join(dir, day), err.Error())
	}
	if good, err := s.try(dir, map[string][]string{day: parts}); good || err != nil {
		return err
	}
	if good, err := s.try(dir, map[string][]string{day: {}}); err != nil {
		return err
	} else if !good {
		return s.moveAside(filepath.Join(dir, day), "its stream index cannot be read")
	}
	left := parts
	for _, part := range parts {
		good, err := s.try(dir, map[string][]string{day: {part}})
		if err != nil {
			return err
		}
		if good {
			continue
		}
		left = slices.DeleteFunc(slices.Clone(left), func(p string) bool { return p == part })
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
