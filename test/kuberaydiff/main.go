// Command kuberaydiff gives the same RayClusters to KubeRay and to remora-operator, each
// on an API server of its own, and compares field by field what each of them makes.
// Differences that are meant stand in accepted.yaml with their reasons; any other, and
// an entry there that matches nothing, make it fail.
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
	"sync"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Exit status.
const (
	exitSame    = 0
	exitDiffers = 1 // also: could not be compared
	exitUsage   = 2
)

type options struct {
	operator string // the program of ours
	crds     string // its definitions
	programs string // directory of etcd and kube-apiserver
	kuberay  string // KubeRay's program
	theirs   string // its definitions
	run      string
	still    time.Duration
	dump     string
	show     int
}

func main() {
	cache, err := os.UserCacheDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kuberaydiff:", err)
		os.Exit(exitDiffers)
	}
	cache = filepath.Join(cache, "remora")
	var o options
	flag.StringVar(&o.operator, "operator", "../../bin/remora-operator", "`FILE` of remora-operator")
	flag.StringVar(&o.crds, "crds", "../../deploy/kubernetes/crds", "`DIRECTORY` of its definitions")
	flag.StringVar(&o.programs, "kubernetes", filepath.Join(cache, "kubernetes-1.34.3"), "`DIRECTORY` of etcd and kube-apiserver")
	flag.StringVar(&o.kuberay, "kuberay", filepath.Join(cache, "kuberay-"+kuberayVersion), "`FILE` of KubeRay's operator; built where there is none")
	flag.StringVar(&o.run, "run", ".", "compare manifests whose names match `REGEXP`")
	flag.DurationVar(&o.still, "still", 10*time.Second, "`TIME` without a change after which both are done")
	flag.StringVar(&o.dump, "dump", "", "write what was compared into `DIRECTORY`")
	flag.IntVar(&o.show, "show", 200, "print at most `N` differences without a name")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "kuberaydiff: unexpected argument %q\n", flag.Arg(0))
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	same, err := compareAll(ctx, &o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kuberaydiff:", err)
	}
	if err != nil || !same {
		os.Exit(exitDiffers)
	}
}

// compareAll runs both operators over all manifests and prints how they differ.
func compareAll(ctx context.Context, o *options) (bool, error) {
	log.SetLogger(logr.Discard())
	wanted, err := regexp.Compile(o.run)
	if err != nil {
		return false, fmt.Errorf("-run: %w", err)
	}
	manifests, err := loadManifests("manifests", wanted)
	if err != nil {
		return false, err
	}
	accepted, err := loadAccepted("accepted.yaml")
	if err != nil {
		return false, err
	}
	if o.theirs, err = buildKubeRay(o.kuberay); err != nil {
		return false, err
	}
	theirs, ours := &side{name: "KubeRay"}, &side{name: "Remora"}
	defer theirs.end()
	defer ours.end()
	err = errors.Join(both(theirs, ours, func(s *side) error {
		if s == theirs {
			return s.begin(ctx, o.programs, o.theirs, o.kuberay, "--enable-leader-election=false", "--metrics-addr=0", "--health-probe-bind-address=0", "--reconcile-concurrency=10")
		}
		return s.begin(ctx, o.programs, o.crds, o.operator, "--enable-leader-election=false", "--metrics-addr=0", "--health-probe-bind-address=0",
			"--agent-image=remora-agent:test", "--logs-url=http://remora.remora-system:3100")
	})...)
	if err != nil {
		return false, err
	}
	r := newReport(accepted, o.dump)
	if err := play(ctx, manifests, theirs, ours, o.still, r); err != nil {
		return false, err
	}
	return r.print(os.Stdout, o.show, o.run == "."), nil
}

// both does the same on both sides at the same time.
func both(theirs, ours *side, do func(*side) error) []error {
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, s := range []*side{theirs, ours} {
		wg.Go(func() {
			if err := do(s); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	wg.Wait()
	return errs
}

// play takes all manifests through their steps. After each step what was made is
// compared twice: while no pod runs, and when all are ready.
func play(ctx context.Context, manifests []*manifest, theirs, ours *side, still time.Duration, r *report) error {
	most := 0
	for _, m := range manifests {
		most = max(most, len(m.steps))
	}
	for n := range most {
		var now []*manifest
		for _, m := range manifests {
			if n < len(m.steps) {
				now = append(now, m)
			}
		}
		for _, ready := range []bool{false, true} {
			fmt.Fprintf(os.Stderr, "%s step %d of %d manifests, pods ready: %t\n", time.Now().Format(time.TimeOnly), n+1, len(now), ready)
			err := errors.Join(both(theirs, ours, func(s *side) error {
				for _, m := range now {
					if ready {
						if err := s.playPods(ctx, m.name); err != nil {
							return err
						}
					} else if err := s.take(ctx, m, m.steps[n]); err != nil {
						return fmt.Errorf("manifest %s, step %d: %w", m.name, n+1, err)
					}
				}
				return s.settle(ctx, still)
			})...)
			if err != nil {
				return err
			}
			moment := fmt.Sprintf("step %d, pods made", n+1)
			if ready {
				moment = fmt.Sprintf("step %d, pods ready", n+1)
			}
			if err := r.compare(ctx, now, moment, theirs, ours); err != nil {
				return err
			}
		}
	}
	return nil
}
