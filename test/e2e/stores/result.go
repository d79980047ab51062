package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/logql/logqltest"
)

// result is what one kind of store held.
type result struct {
	kind    *kind
	verbose bool

	names    []string          // of scripts
	asked    map[string]int    // by script
	answered map[string]int    // by script: as they should
	named    map[string]int    // differences, by their entries' reasons
	features map[string]string // by feature: yes, or no and why
	failures []error
}

func (k *kind) prove(ctx context.Context, o options, p programs, dir string) (r *result, err error) {
	address, all, err := k.start(ctx, p, dir)
	defer func() {
		for _, p := range slices.Backward(all) {
			p.stop()
		}
	}()
	if err != nil {
		return nil, err
	}
	s, err := open(filepath.Join(dir, "remora"), address)
	if err != nil {
		return nil, err
	}
	r = &result{kind: k, verbose: o.verbose, asked: map[string]int{}, answered: map[string]int{}, named: map[string]int{}, features: map[string]string{}}
	files, err := filepath.Glob(o.scripts)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no scripts match %s: start this in the root of the repository", o.scripts)
	}
	for _, file := range files {
		if err == nil {
			err = r.script(ctx, s, file)
		}
	}
	if err == nil {
		s, err = r.tryFeatures(ctx, s, dir, address)
	}
	if err := errors.Join(err, s.close()); err != nil {
		return r, err
	}
	r.features[afterKills.name] = "yes"
	if err := k.killed(ctx, o, dir, address, all); err != nil {
		r.features[afterKills.name] = "FAILED"
		r.failures = append(r.failures, fmt.Errorf("%s: %s: %w", k.name, afterKills.name, err))
	}
	return r, nil
}

// judge compares an answer with what the script wants. Lines are compared as a
// set, as an answer over HTTP groups them by stream.
func (r *result) judge(name string, step *logqltest.Step, got []string) {
	if r.asked[name] == 0 {
		r.names = append(r.names, name)
	}
	r.asked[name]++
	want := slices.Clone(step.Want)
	same := equal(want, got)
	if !same && !r.kind.isOur && failed(want) && failed(got) {
		same = true // in other words
	}
	if same {
		r.answered[name]++
		return
	}
	text := fmt.Sprintf("%s: %s:%d: %s\n  want %s\n  got  %s", r.kind.name, step.File, step.Line, step.Params.Query,
		strings.Join(want, "\n       "), strings.Join(got, "\n       "))
	if d := named(r.kind, step); d != nil {
		r.named[d.reason]++
		if r.verbose {
			fmt.Fprintln(os.Stderr, text)
		}
		return
	}
	r.failures = append(r.failures, errors.New(text))
}

func failed(answer []string) bool { return len(answer) > 0 && strings.HasPrefix(answer[0], "error: ") }

func equal(want, got []string) bool {
	if failed(want) || failed(got) {
		// The words of an error may go over several lines.
		return strings.Join(want, "\n") == strings.Join(got, "\n")
	}
	want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	return slices.Equal(want, got)
}

// printTable writes a column for each kind.
func printTable(w io.Writer, results []*result) {
	if len(results) == 0 {
		return
	}
	row := func(first string, cell func(r *result) string) {
		fmt.Fprintf(w, "| %-40s |", first)
		for _, r := range results {
			fmt.Fprintf(w, " %-22s |", cell(r))
		}
		fmt.Fprintln(w)
	}
	row("answered as they should, of questions", func(r *result) string { return r.kind.name })
	row(strings.Repeat("-", 40), func(*result) string { return strings.Repeat("-", 22) })
	for _, name := range results[0].names {
		row("script "+name, func(r *result) string { return fmt.Sprintf("%d of %d", r.answered[name], r.asked[name]) })
	}
	for _, f := range append(features[:len(features):len(features)], afterKills) {
		row(f.name, func(r *result) string {
			if text := r.features[f.name]; strings.HasPrefix(text, "no: ") {
				return "no"
			}
			return r.features[f.name]
		})
	}
	fmt.Fprintln(w)
	for _, r := range results {
		for _, f := range features {
			if why, ok := strings.CutPrefix(r.features[f.name], "no: "); ok {
				fmt.Fprintf(w, "%s, %s: %s\n", r.kind.name, f.name, why)
			}
		}
		for _, reason := range slices.Sorted(func(yield func(string) bool) {
			for reason := range r.named {
				if !yield(reason) {
					return
				}
			}
		}) {
			fmt.Fprintf(w, "%s, %d questions: %s\n", r.kind.name, r.named[reason], reason)
		}
	}
}
