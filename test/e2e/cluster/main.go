// Command cluster proves the operator on a real Kubernetes with real Ray: what usually
// ends pods and clusters happens while a job writes marked lines on every node, and then
// each line is asked for.
//
// It exits 0 only if the cluster became again what its manifest says every time, and each
// line that was written is at the server once.
//
//	cluster exec e2e-cluster [-run REGEXP] [-keep]
//
// "cluster exec" of test/cluster runs it beside the control plane, with kubectl. It needs
// two nodes, and takes the namespaces remora-system and e2e.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"text/tabwriter"
	"time"
)

type options struct {
	run  string
	repo string
	bin  string
	keep bool
}

func main() {
	var o options
	flag.StringVar(&o.run, "run", "", "only scenarios whose name matches")
	flag.StringVar(&o.repo, "repo", ".", "directory of the project")
	flag.StringVar(&o.bin, "bin", "bin", "directory of the program that runs the nodes")
	flag.BoolVar(&o.keep, "keep", false, "leave everything in the cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := prove(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-cluster:", err)
	}
	if !ok || err != nil {
		os.Exit(1) //nolint:gocritic // the context ends with the process
	}
}

// result is what became of one scenario.
type result struct {
	name  string
	took  time.Duration
	lines verdict
	err   error
}

func (r result) right() bool { return r.err == nil && r.lines.right() }

func prove(ctx context.Context, o options) (bool, error) {
	chosen, err := regexp.Compile(o.run)
	if err != nil {
		return false, err
	}
	s := &site{ctx: ctx, repo: o.repo, program: filepath.Join(o.bin, "cluster"), nodes: os.Getenv("REMORA_CLUSTER_RUN"), began: time.Now()}
	if s.nodes == "" {
		return false, fmt.Errorf("run it by cluster exec")
	}
	if err := s.install(); err != nil {
		return false, err
	}
	if !o.keep {
		defer s.remove()
	}
	var results []result
	for _, sc := range scenarios {
		if !chosen.MatchString(sc.name) {
			continue
		}
		s.say("%s", sc.name)
		results = append(results, s.play(sc))
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	return report(results), nil
}

// report prints the table, and whether all of it is right.
func report(results []result) bool {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tseconds\tlines\tlost\ttwice\t")
	right := len(results) > 0
	for _, r := range results {
		verdict := "right"
		if !r.right() {
			right, verdict = false, "WRONG"
		}
		if r.err != nil {
			verdict += ": " + r.err.Error()
		}
		fmt.Fprintf(t, "%s\t%.0f\t%d\t%d\t%d\t%s\n", r.name, r.took.Seconds(), r.lines.written, r.lines.lost, r.lines.twice, verdict)
	}
	if err := t.Flush(); err != nil {
		return false
	}
	return right
}
