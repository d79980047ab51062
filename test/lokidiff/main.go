// Lokidiff asks a Loki and a Remora the same questions over the same lines and
// tells where a client would see different answers.
//
//	lines (a seed) ──▶ push ──▶ Loki 3.7.8 ──┐
//	                       └──▶ Remora ──────┤ compare ──▶ equal, named or different
//	questions/*.txt, the grammar (a seed) ───┘                  ▲
//	                                             accepted.txt ──┘
//
// Every difference that is accepted has a name and a reason in accepted.txt. The
// exit status is 1 where anything else differs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	bin, loki, corpus           string
	seed                        int64
	n                           int
	run                         *regexp.Regexp
	verbose, keep, bare, approx bool
}

func main() {
	var o options
	var run string
	flag.StringVar(&o.bin, "bin", "bin", "directory with remora")
	flag.StringVar(&o.loki, "loki", "", "program of Loki 3.7.8 (default: the one in the cache, built by make loki)")
	flag.StringVar(&o.corpus, "corpus", "testdata/corpus", "directory with recordings of Ray")
	flag.Int64Var(&o.seed, "seed", 1, "of the lines and of the questions made from the grammar")
	flag.IntVar(&o.n, "n", 2500, "how many questions to make from the grammar")
	flag.StringVar(&run, "run", "", "ask only questions whose name or text matches this regular expression")
	flag.BoolVar(&o.verbose, "v", false, "print named differences in full, and where each question is equal")
	flag.BoolVar(&o.keep, "keep", false, "leave both servers running until interrupted")
	flag.BoolVar(&o.bare, "bare", false, "Loki adds neither service_name nor detected_level")
	flag.BoolVar(&o.approx, "approx", false, "Loki has approx_topk switched on; ask with -run approx_topk, as it then hangs on numbers alone")
	flag.Parse()
	var err error
	if o.run, err = regexp.Compile(run); err != nil {
		fmt.Fprintln(os.Stderr, "lokidiff: -run:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	different, err := compareAll(ctx, &o)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "lokidiff:", err)
		os.Exit(2)
	case different > 0:
		os.Exit(1)
	}
}

func compareAll(ctx context.Context, o *options) (different int, err error) {
	rules, err := readAccepted()
	if err != nil {
		return 0, err
	}
	// Lines lie in the two whole hours before this one, so that neither server
	// finds them too old or too new.
	base := time.Now().Truncate(time.Hour).Add(-2 * time.Hour)
	asked, err := questions(base, o.seed, o.n)
	if err != nil {
		return 0, err
	}
	pair, err := startPair(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pair.close()) }()
	streams, err := makeStreams(o.corpus, base, o.seed)
	if err != nil {
		return 0, err
	}
	if err := pair.push(ctx, streams); err != nil {
		return 0, err
	}
	r := &report{rules: rules, verbose: o.verbose, out: os.Stdout}
	var chosen []*question
	for _, q := range asked {
		if o.run.MatchString(q.name) || o.run.MatchString(q.params.Get("query")) {
			chosen = append(chosen, q)
		}
	}
	add := func(q *question, loki, remora *answer) {
		r.add(q, loki, remora, func(c *compared) []string { return pair.proven(ctx, rules, c) })
	}
	pair.pushAll(ctx, asked, func(q *question, loki, remora *answer) {
		if slices.Contains(chosen, q) {
			add(q, loki, remora)
		}
	})
	pair.askAll(ctx, slices.DeleteFunc(chosen, func(q *question) bool { return q.push }), add)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.print(o.run.String() == "")
	if o.keep {
		fmt.Printf("Loki %s, Remora %s; lines since %s\n", pair.loki.url, pair.remora.url, base.Format(time.RFC3339))
		<-ctx.Done()
	}
	return r.different, nil
}

// lokiProgram finds the program that make loki builds.
func lokiProgram(named string) (string, error) {
	if named == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		named = filepath.Join(cache, "remora", "loki-3.7.8")
	}
	if _, err := os.Stat(named); err != nil {
		return "", fmt.Errorf("%w: build it with make loki, or name one with -loki", err)
	}
	return named, nil
}

func quoteShort(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
