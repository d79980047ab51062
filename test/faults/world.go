package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/test/loopback"
)

// world is one set of directories with a server, an agent and Ray's writers, and
// some faults that happen to them.
type world struct {
	options
	host *host
	i    int
	dir  string
	rand *rand.Rand

	server, agent *process
	proxy         *proxy
	ask           *client.Client
	web           http.Client
	metrics       string // address of the agent's
	writers       *writers
	ray           *realRay // nil in most worlds
	watch         watch
	table         *table
	suspects      map[*stream]bool // of which something is wrong
	now           string           // fault being made
	small         bool             // Ray's directory is on a small disk
	configs       int              // configurations written
	filled        bool             // the server's disk was full a moment ago
	state         bool             // the agent lost its state: a Loki may have lines twice
	steps         bool             // the agent's clock can be stepped
	backup        string           // of the agent's state
	done          chan struct{}
}

func (w *world) path(names ...string) string {
	return filepath.Join(append([]string{w.dir}, names...)...)
}

// Sizes in megabytes of the disks that can be filled.
const (
	rayDisk    = 256
	stateDisk  = 32
	serverDisk = 1024
)

func newWorld(ctx context.Context, o options, h *host, i int) (*world, error) {
	dir, err := os.MkdirTemp("", "remora-faults-")
	if err != nil {
		return nil, err
	}
	w := &world{
		options: o, host: h, i: i, dir: dir, rand: rand.New(rand.NewPCG(o.seed, uint64(i))),
		small: h.alone == "" && i%2 == 1, steps: i%4 == 0 || i%4 == 3, done: make(chan struct{}),
		web: http.Client{Timeout: 2 * time.Second},
	}
	w.writers = &writers{root: w.path("ray"), seed: o.seed<<16 + uint64(i), nocut: o.nocut}
	w.backup = w.path("backup")
	return w, w.prepare(ctx)
}

// prepare mounts the disks and lays the wire, and starts server and agent.
func (w *world) prepare(ctx context.Context) error {
	disks := map[string]int{"state": stateDisk, "data": serverDisk}
	if w.small {
		disks["ray"] = rayDisk
	}
	for name, size := range disks {
		if err := w.host.tmpfs(w.path(name), size); err != nil {
			return fmt.Errorf("disk of %s: %w", name, err)
		}
	}
	if err := os.MkdirAll(w.path("ray"), 0o755); err != nil {
		return err
	}
	ports, err := loopback.Ports(2)
	if err != nil {
		return err
	}
	listen := "127.0.0.1:" + ports[0]
	if err := w.prepareServer(listen); err != nil {
		return err
	}
	ours, theirs := "127.0.0.1", "127.0.0.1"
	if w.host.net != nil {
		ours, theirs = ourAddr, agentAddr
	}
	if w.proxy, err = newProxy(ours+":0", "http://"+listen); err != nil {
		return err
	}
	if w.ask, err = client.New(client.Config{Addr: "http://" + listen}); err != nil {
		return err
	}
	w.metrics = "http://" + theirs + ":" + ports[1]
	if err := w.configure(); err != nil {
		return err
	}
	w.prepareAgent(theirs + ":" + ports[1])
	if err := w.startServer(ctx); err != nil {
		return err
	}
	go w.watch.meter(w.agent, w.done)
	return w.startAgent(ctx)
}

func (w *world) prepareServer(listen string) error {
	w.server = &process{name: "server", log: w.path("server.log")}
	if w.target == "loki" {
		return w.prepareLoki(listen)
	}
	w.server.args = []string{
		filepath.Join(w.bin, "remora"), "server", "--data", w.path("data"), "--listen", listen, "--disk-floor", "64MiB",
	}
	return nil
}

func (w *world) prepareAgent(listen string) {
	program := "remora-agent"
	if w.steps {
		program = "remora-agent-clockstep"
	}
	w.agent = &process{
		name: "agent", log: w.path("agent.log"), net: w.host.net,
		env: []string{"REMORA_CLOCK_STEP_FILE=" + w.path("clock")},
		args: []string{
			filepath.Join(w.bin, program), "--config", w.path("agent.yaml"), "--ray-root", w.path("ray"), "--state", w.path("state"),
			"--url", "http://" + w.proxy.addr, "--cluster", "faults", "--listen", listen,
			"--batch-wait", "200ms", "--scan-interval", "1s", "--drain-timeout", drainTimeout.String(),
		},
	}
}

const drainTimeout = 3 * time.Second

func (w *world) startServer(ctx context.Context) error {
	if err := w.server.start(); err != nil {
		return err
	}
	return w.until(ctx, "server's /ready", 60*time.Second, func() bool {
		code, _ := w.get(w.ask.Addr() + "/ready")
		return code == http.StatusOK
	})
}

// startAgent starts the agent and waits until it has looked at everything once.
func (w *world) startAgent(ctx context.Context) error { return w.startAgentSlow(ctx, false) }

// startAgentSlow is startAgent for one that finds files by scanning only.
func (w *world) startAgentSlow(ctx context.Context, slow bool) error {
	if err := w.agent.start(); err != nil {
		return err
	}
	err := w.until(ctx, "agent's first look at its files", 20*time.Second, func() bool {
		code, text := w.get(w.metrics + "/readyz")
		return code != 0 && !strings.Contains(text, "starting") || !w.agent.running()
	})
	if err != nil {
		return err
	}
	if !w.agent.running() {
		return errDied
	}
	w.watch.begin(slow)
	return nil
}

var errDied = errors.New("the agent ended as soon as it was started")

func (w *world) get(url string) (int, string) {
	resp, err := w.web.Get(url)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(text)
}

// killAgent ends the agent as kill -9 does.
func (w *world) killAgent() error {
	w.watch.stop(time.Now())
	return w.agent.kill()
}

func (w *world) until(ctx context.Context, what string, within time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("%s: not within %v", what, within))
	defer cancel()
	for !done() {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (w *world) say(format string, args ...any) {
	fmt.Printf("%s %2d  %s\n", time.Now().Format("15:04:05.000"), w.i, fmt.Sprintf(format, args...))
}

// live lets n faults happen and then looks at every line.
func (w *world) live(ctx context.Context, only *regexp.Regexp, n int, t *table) error {
	w.table = t
	wrong := len(t.wrongs)
	deck := w.deck(only)
	if len(deck) == 0 {
		return errors.New("no fault can be made here")
	}
	w.say("world %d: %s, Ray on %s, %s", w.i, w.dir, map[bool]string{true: "a small disk", false: "the disk"}[w.small], filepath.Base(w.agent.args[0]))
	writing, err := w.writers.start(ctx)
	if err != nil {
		return err
	}
	w.now = "start"
	if err := w.addRay(writing); err != nil {
		return err
	}
	if err := errors.Join(w.writers.crowd(1000), w.writers.long()); err != nil {
		return err
	}
	var order []int
	for range n {
		if len(order) == 0 {
			order = w.rand.Perm(len(deck))
		}
		f := deck[order[0]]
		order = order[1:]
		if err := w.suffer(ctx, f, deck); err != nil {
			return fmt.Errorf("%s: %w", w.now, err)
		}
		if len(t.wrongs) > wrong && !w.on {
			return nil // what comes after it would prove nothing
		}
	}
	return w.lastWords(ctx)
}

// suffer makes one fault while lines are written, and waits until all is well.
func (w *world) suffer(ctx context.Context, f *fault, deck []*fault) error {
	w.now = f.name
	least := 200 * time.Millisecond
	if err := pause(ctx, between(w.rand, least, 3*least)); err != nil {
		return err
	}
	inner := w.companion(f, deck)
	if inner != nil {
		w.now += " + " + inner.name
	}
	begun := w.sums().lines
	w.say("%s", w.now)
	if err := w.make(ctx, f, inner); err != nil {
		return err
	}
	if err := pause(ctx, between(w.rand, 0, least)); err != nil {
		return err
	}
	w.writers.gate.Lock()
	defer w.writers.gate.Unlock()
	if w.writers.err != nil {
		return w.writers.err
	}
	r := &row{faults: 1, lines: w.sums().lines - begun}
	if err := w.catchUp(ctx, r); err != nil {
		return err
	}
	w.table.row(f.name).add(r)
	w.filled = false
	w.say("    caught up after %.1fs: %d lines, lost %d, twice %d, gone %d, unseen %d, rushed %d", r.catch[0].Seconds(), r.lines, r.lost, r.twice, r.told+r.untold, r.unseen, r.rushed)
	return w.health()
}

// health reports programs that ended by themselves.
func (w *world) health() error {
	for _, p := range []*process{w.server, w.agent} {
		for _, d := range p.deaths() {
			w.table.wrong("%s: %s", w.now, d)
		}
	}
	return nil
}

// lastWords ends the agent as a pod's end does, kills the server once more, as what
// was acknowledged must be on its disk, and compares everything.
func (w *world) lastWords(ctx context.Context) error {
	w.now = "end"
	if err := w.writers.stop(); err != nil {
		return err
	}
	r := &row{}
	defer func() { w.table.row("(end of a world)").add(r) }()
	if err := w.catchUp(ctx, r); err != nil {
		return err
	}
	if w.ray != nil { // as in a pod: an agent reads on for as long as anybody writes
		w.ray.end()
		w.ray = nil
	}
	if err := w.agent.end(syscall.SIGTERM, 30*time.Second); err != nil {
		return err
	}
	w.watch.stop(time.Now())
	if code := w.agent.exitCode(); code != 0 {
		w.table.wrong("end: agent ended with status %d after SIGTERM", code)
	}
	if err := w.server.kill(); err != nil {
		return err
	}
	if err := w.startServer(ctx); err != nil {
		return err
	}
	if err := w.final(ctx, r); err != nil {
		return err
	}
	s := w.sums()
	w.say("world %d: %d lines of %d files compared, %d gone", w.i, s.lines, len(w.writers.all()), s.gone)
	return nil
}

// end stops everything and removes it unless it is to be kept.
func (w *world) end(failed bool) {
	_ = w.writers.stop()
	if w.ray != nil {
		w.ray.end()
	}
	_ = w.agent.kill()
	_ = w.server.kill()
	w.proxy.set(&mode{})
	w.proxy.away()
	close(w.done)
	if failed && w.keep {
		// What is mounted here is gone when this program ends: only the logs stay.
		fmt.Println("kept:", w.dir)
		return
	}
	if w.host.alone == "" {
		for _, name := range []string{"state", "data", "ray"} {
			_ = syscall.Unmount(w.path(name), syscall.MNT_DETACH)
		}
	}
	_ = os.RemoveAll(w.dir)
}

// tails shows the ends of the programs' logs.
func (w *world) tails(out io.Writer) {
	for _, p := range []*process{w.server, w.agent} {
		text, err := os.ReadFile(p.log)
		if err != nil {
			continue
		}
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		fmt.Fprintf(out, "--- %s, last lines\n", p.name)
		for _, l := range lines[max(0, len(lines)-30):] {
			fmt.Fprintf(out, "    %.300s\n", l)
		}
	}
}
