package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/loki"
)

// verdict compares what was written with what the server has.
type verdict struct{ written, lost, twice int }

func (v verdict) right() bool { return v.lost == 0 && v.twice == 0 }

// write begins a job that writes on all nodes of a cluster, and waits until it does on n
// of them.
func (s *site) write(name string, n int) (run string, err error) {
	s.runs++
	run = fmt.Sprintf("%s%d", name, s.runs)
	err = s.until("the job is taken", patience, func() error {
		heads, err := s.pods(name, "head")
		if err != nil || len(heads) != 1 {
			return fmt.Errorf("%d heads %w", len(heads), err)
		}
		_, err = s.kubectl("-n", namespace, "exec", heads[0].Metadata.Name, "-c", "ray-head", "--",
			"ray", "job", "submit", "--address", "http://127.0.0.1:8265", "--no-wait", "--submission-id", run, "--", "python", "/scripts/writer.py", run)
		if err != nil && strings.Contains(err.Error(), "already exists") {
			return nil
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return run, s.writing(run, n)
}

// writing waits until at least n nodes have written lines of a run.
func (s *site) writing(run string, n int) error {
	return s.until(fmt.Sprintf("%d nodes write", n), patience, func() error {
		marks, err := s.ledger(run)
		if err != nil {
			return err
		}
		writing := 0
		for _, lines := range marks {
			if lines >= 20 {
				writing++
			}
		}
		if writing < n {
			return fmt.Errorf("%d do", writing)
		}
		return nil
	})
}

// ledger is how many lines each writer of a run has written, as their nodes' disks tell.
func (s *site) ledger(run string) (map[string]int, error) {
	files, err := filepath.Glob(filepath.Join(s.nodes, "n*", "kubelet", "ledger", run+"-*"))
	if err != nil {
		return nil, err
	}
	marks := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil && len(text) > 0 {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		marks[filepath.Base(file)] = n
	}
	return marks, nil
}

// stop ends the writers of a run.
func (s *site) stop(run string) error {
	dirs, err := filepath.Glob(filepath.Join(s.nodes, "n*", "kubelet", "ledger"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "stop-"+run), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// judge stops a run and asks for each of its lines, until all are there or none comes
// any more.
func (s *site) judge(name, run string) (v verdict, err error) {
	if err := s.stop(run); err != nil {
		return v, err
	}
	const quiet = 20 * time.Second
	best, since := -1, time.Now()
	err = s.until("all lines are there", patience, func() error {
		written, err := s.ledger(run)
		if err != nil {
			return err
		}
		stored, err := s.stored(name, run)
		if err != nil {
			return err
		}
		v = compare(written, stored)
		if found := v.written - v.lost; found != best {
			best, since = found, time.Now()
		}
		if v.lost > 0 && time.Since(since) < quiet {
			return fmt.Errorf("%d of %d lines are missing", v.lost, v.written)
		}
		return nil
	})
	return v, err
}

// compare counts lines of writers that are missing or there more than once.
func compare(written map[string]int, stored map[string]map[int]int) (v verdict) {
	for writer, last := range written {
		v.written += last
		for n := 1; n <= last; n++ {
			if stored[writer][n] == 0 {
				v.lost++
			}
		}
	}
	for _, lines := range stored {
		for _, times := range lines {
			if times > 1 {
				v.twice++
			}
		}
	}
	return v
}

// stored is what the server has of a run: how often each line of each writer.
func (s *site) stored(name, run string) (map[string]map[int]int, error) {
	c, err := client.New(client.Config{Addr: s.server, Token: s.token})
	if err != nil {
		return nil, err
	}
	marks := map[string]map[int]int{}
	q := client.RangeQuery{
		Query: fmt.Sprintf(`{RayCluster=%q} |= "MARK %s-"`, name, run),
		Start: s.began.Add(-time.Hour), End: time.Now().Add(time.Hour),
	}
	err = c.Lines(s.ctx, q, func(push *loki.Push) error {
		for _, stream := range push.Streams {
			for _, e := range stream.Entries {
				count(marks, e.Line)
			}
		}
		return nil
	})
	return marks, err
}

func count(marks map[string]map[int]int, line string) {
	_, mark, ok := strings.Cut(line, "MARK ")
	fields := strings.Fields(mark)
	if !ok || len(fields) < 2 {
		return
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return
	}
	if marks[fields[0]] == nil {
		marks[fields[0]] = map[int]int{}
	}
	marks[fields[0]][n]++
}
