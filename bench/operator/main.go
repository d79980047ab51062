// Command operator measures remora-operator beside KubeRay's: how long either takes to
// make the pods of many RayClusters and to tell that they are ready, what it takes of
// the machine and of the API server, and whether it is still when nothing happens. Each
// gets an API server and an etcd of its own, of the same programs and with the same
// flags, one after the other; this program plays the kubelet.
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
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Exit status.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	kubernetes  string // directory of etcd and kube-apiserver
	ours, crds  string // program and definitions
	args        string // more flags of ours
	kuberay     string
	kuberayCRDs string
	sizes       []int // numbers of clusters
	workers     int
	quiet       time.Duration
	run         *regexp.Regexp
	others      int // clusters of the run with troubled ones beside them
	rounds      int
	logs        string
}

// contender is an operator that is measured.
type contender struct {
	name    string
	program string
	crds    string
	args    []string
}

func (o *options) contenders() []contender {
	kuberay := func(name string, args ...string) contender {
		return contender{name, o.kuberay, o.kuberayCRDs, args}
	}
	all := []contender{
		kuberay("kuberay"),
		kuberay("kuberay-10", "--reconcile-concurrency=10"),
		{ours, o.ours, o.crds, append([]string{"--agent-image=remora-agent", "--logs-url=http://remora:3100"}, strings.Fields(o.args)...)},
	}
	var chosen []contender
	for _, c := range all {
		if o.run.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

func parse(args []string) (*options, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, "remora")
	var o options
	var sizes, run string
	f := flag.NewFlagSet("operator", flag.ContinueOnError)
	f.StringVar(&o.kubernetes, "kubernetes", filepath.Join(cache, "kubernetes-1.34.3"), "`DIRECTORY` of etcd and kube-apiserver")
	f.StringVar(&o.ours, "operator", "../../bin/remora-operator", "`FILE` of remora-operator")
	f.StringVar(&o.args, "operator-args", "", "more `FLAGS` of remora-operator, such as '--qps=500 --burst=1000'")
	f.StringVar(&o.crds, "crds", "../../deploy/kubernetes/crds", "`DIRECTORY` of its definitions")
	f.StringVar(&o.kuberay, "kuberay", filepath.Join(cache, "kuberay-1.6.0"), "`FILE` of KubeRay's operator")
	f.StringVar(&o.kuberayCRDs, "kuberay-crds", "", "`DIRECTORY` of its definitions")
	f.StringVar(&sizes, "clusters", "200,400", "`NUMBERS` of clusters, a run for each")
	f.IntVar(&o.workers, "workers", 4, "`NUMBER` of workers of a cluster, beside its head")
	f.DurationVar(&o.quiet, "quiet", time.Minute, "`TIME` in which nothing happens, after all is ready")
	f.StringVar(&run, "run", ".", "measure those whose names match `REGEXP`: kuberay, kuberay-10, remora")
	f.IntVar(&o.others, "others", 100, "`NUMBER` of clusters beside those in trouble; 0: no such run")
	f.IntVar(&o.rounds, "rounds", 3, "`NUMBER` of times with and without clusters in trouble")
	f.StringVar(&o.logs, "logs", "", "keep what operators and API servers say in `DIRECTORY`")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-clusters %q: write numbers with commas between", sizes)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.run, err = regexp.Compile(run); err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	if o.workers < 0 || o.rounds < 1 || o.others < 0 || f.NArg() > 0 {
		return nil, errors.New("numbers must not be negative, and there are no arguments beside flags")
	}
	return &o, nil
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(exitDone)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(exitUsage)
	}
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.all(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		stop()
		os.Exit(exitFailed)
	}
}

func (o *options) all(ctx context.Context) error {
	var all []result
	for _, n := range o.sizes {
		for _, c := range o.contenders() {
			r, err := o.measure(ctx, c, n)
			if err != nil {
				return fmt.Errorf("%s with %d clusters: %w", c.name, n, err)
			}
			all = append(all, r)
			fmt.Fprintf(os.Stderr, "%s, %d clusters: pods after %.1f s, ready after %.1f s\n", c.name, n, r.pods.Seconds(), r.ready.Seconds())
		}
	}
	report(os.Stdout, all, o.quiet)
	if o.others == 0 {
		return nil
	}
	for _, c := range o.contenders() {
		t, err := o.trouble(ctx, c)
		if err != nil {
			return fmt.Errorf("%s with clusters in trouble: %w", c.name, err)
		}
		t.report(os.Stdout)
	}
	return nil
}
