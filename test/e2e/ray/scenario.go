package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/remora-ray/remora/test/loopback"
)

//go:embed scripts/*.py
var scripts embed.FS

// run is one run of the proof.
type run struct {
	options
	dir    string // everything of this run
	mark   string // in the environment of each of its processes
	python string // bin directory of the virtual environment
	rand   *rand.Rand

	server, agent *process
	url           string
	processes     []*process
	sessions      []*cluster
	forgotten     string // session in which the agent lost its state
	begin         time.Time
}

func (r *run) path(names ...string) string {
	return filepath.Join(append([]string{r.dir}, names...)...)
}

// say prints what happens and when.
func (r *run) say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(r.begin).Seconds(), fmt.Sprintf(format, args...))
}

// scenario runs everything and reports whether the proof holds.
func (r *run) scenario(ctx context.Context) (bool, error) {
	r.begin = time.Now()
	if err := r.prepare(ctx); err != nil {
		return false, err
	}
	kills := []func(context.Context) error{r.killAgent, r.killServer, r.killBoth}
	if !r.short {
		kills = append(kills, r.killAgent, r.killAgent, r.serverAway)
	}
	r.rand.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	if err := r.session(ctx, "first", kills); err != nil {
		return false, err
	}
	kills = []func(context.Context) error{r.killAgent}
	if !r.short {
		kills = append(kills, r.killBoth, r.killServer)
	}
	// The state is lost once Ray has deleted the first generations, and once more.
	kills = append(kills, r.loseState, r.loseState)
	if err := r.session(ctx, "second", kills); err != nil {
		return false, err
	}
	if err := r.catchUp(ctx); err != nil {
		return false, err
	}
	return r.verdict(ctx)
}

// prepare lays out the directory and starts server and agent; Ray's directory is
// not there yet.
func (r *run) prepare(ctx context.Context) error {
	entries, err := scripts.ReadDir("scripts")
	if err != nil {
		return err
	}
	for _, dir := range []string{"scripts", "tmp"} {
		if err := os.Mkdir(r.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, e := range entries {
		text, err := scripts.ReadFile("scripts/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.path("scripts", e.Name()), text, 0o644); err != nil {
			return err
		}
	}
	ports, err := loopback.Ports(1)
	if err != nil {
		return err
	}
	listen := "127.0.0.1:" + ports[0]
	r.url = "http://" + listen
	r.server = &process{
		name: "server", log: r.path("server.log"), env: []string{r.mark},
		args: []string{filepath.Join(r.bin, "remora"), "server", "--data", r.path("data"), "--listen", listen},
	}
	r.agent = &process{
		name: "agent", log: r.path("agent.log"), env: []string{r.mark},
		args: []string{
			filepath.Join(r.bin, "remora-agent"), "--ray-root", r.path("ray"), "--state", r.path("state"),
			"--url", r.url, "--cluster", "e2e", "--listen", "", "--log-level", "debug",
		},
	}
	r.processes = append(r.processes, r.server, r.agent)
	if err := r.startServer(ctx); err != nil {
		return err
	}
	return r.agent.start()
}

func (r *run) startServer(ctx context.Context) error {
	if err := r.server.start(); err != nil {
		return err
	}
	return until(ctx, "server's /ready", 60*time.Second, func() bool {
		resp, err := http.Get(r.url + "/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// session starts Ray, runs its jobs while agent and server are killed, and stops
// Ray again.
func (r *run) session(ctx context.Context, name string, kills []func(context.Context) error) error {
	c, err := r.startRay(ctx, r.path("ray"), r.path("truth", name))
	if err != nil {
		return err
	}
	r.sessions = append(r.sessions, c)
	r.say("session %s: %s", name, c.name)

	seconds, script := 30, r.path("scripts", "work.py")
	if r.short {
		seconds = 12
	}
	work := []string{fmt.Sprintf("REMORA_E2E_SECONDS=%d", seconds), "REMORA_E2E_RATE=100"}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var jobs sync.WaitGroup
	do := func(what string, f func() error) {
		jobs.Go(func() {
			if err := f(); err != nil {
				cancel(err)
				return
			}
			r.say("%s done", what)
		})
	}
	if c.jobs {
		do("job "+name+"-1", func() error { return c.submit(ctx, name+"-1", script, work) })
	} else {
		r.say("no job is submitted, as the dashboard did not come up in time")
	}
	do("driver", func() error { return c.drive(ctx, script, r.path("driver.log"), work) })
	do("kills", func() error { return r.kill(ctx, kills, time.Duration(seconds)*time.Second) })
	jobs.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("session %s: %w", name, err)
	}
	if err := c.stop(); err != nil {
		return err
	}
	r.say("session %s stopped", name)
	return nil
}

// kill does each of the kills at a random moment of a stretch of time.
func (r *run) kill(ctx context.Context, kills []func(context.Context) error, within time.Duration) error {
	each := within / time.Duration(len(kills))
	for _, kill := range kills {
		if !r.pause(ctx, each/4, each) {
			return ctx.Err()
		}
		if err := kill(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pause waits for a random time, or for the end.
func (r *run) pause(ctx context.Context, least, most time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(least + time.Duration(r.rand.Int64N(int64(most-least)))):
		return true
	}
}

func (r *run) killAgent(ctx context.Context) error {
	r.say("kill -9 agent")
	if err := r.agent.signal(syscall.SIGKILL, 10*time.Second); err != nil {
		return err
	}
	r.pause(ctx, 100*time.Millisecond, 2*time.Second)
	return r.agent.start()
}

// loseState takes the agent's positions away while files turn over: it must find
// its place by what the server knows of those that are left.
func (r *run) loseState(ctx context.Context) error {
	r.say("kill -9 agent, its state is lost")
	r.forgotten = r.sessions[len(r.sessions)-1].name
	if err := r.agent.signal(syscall.SIGKILL, 10*time.Second); err != nil {
		return err
	}
	if err := os.RemoveAll(r.path("state")); err != nil {
		return err
	}
	r.pause(ctx, 100*time.Millisecond, time.Second)
	return r.agent.start()
}

func (r *run) killServer(ctx context.Context) error {
	r.say("kill -9 server")
	if err := r.server.signal(syscall.SIGKILL, 10*time.Second); err != nil {
		return err
	}
	r.pause(ctx, 100*time.Millisecond, 3*time.Second)
	return r.startServer(ctx)
}

// killBoth starts the agent first: it finds no server.
func (r *run) killBoth(ctx context.Context) error {
	r.say("kill -9 both")
	err := errors.Join(r.server.signal(syscall.SIGKILL, 10*time.Second), r.agent.signal(syscall.SIGKILL, 10*time.Second))
	if err != nil {
		return err
	}
	if err := r.agent.start(); err != nil {
		return err
	}
	r.pause(ctx, 100*time.Millisecond, 2*time.Second)
	return r.startServer(ctx)
}

// serverAway leaves the server out for longer than Ray keeps rotated files, and
// kills the agent meanwhile: what it must keep alive is deleted by Ray by then.
func (r *run) serverAway(ctx context.Context) error {
	r.say("kill -9 server, away for long")
	if err := r.server.signal(syscall.SIGKILL, 10*time.Second); err != nil {
		return err
	}
	r.pause(ctx, 14*time.Second, 16*time.Second)
	if err := r.killAgent(ctx); err != nil {
		return err
	}
	r.pause(ctx, 500*time.Millisecond, time.Second)
	return r.startServer(ctx)
}

// catchUp waits until the server's count of marked lines stands still, ends the
// agent as a pod's end does, and kills the server once more: what was
// acknowledged must be on its disk.
func (r *run) catchUp(ctx context.Context) error {
	want, err := r.truth()
	if err != nil {
		return err
	}
	have, since := -1, time.Now()
	err = until(ctx, "agent catching up", 90*time.Second, func() bool {
		n, err := r.count(ctx)
		if err == nil && n != have {
			have, since = n, time.Now()
		}
		return have >= len(want) || time.Since(since) > 20*time.Second
	})
	if err != nil {
		return err
	}
	r.say("%d of %d marked lines arrived, ending the agent", have, len(want))
	if err := r.agent.signal(syscall.SIGTERM, 40*time.Second); err != nil {
		return err
	}
	if code := r.agent.exitCode(); code != 0 {
		return fmt.Errorf("agent ended with status %d after SIGTERM", code)
	}
	r.say("kill -9 server")
	if err := r.server.signal(syscall.SIGKILL, 10*time.Second); err != nil {
		return err
	}
	return r.startServer(ctx)
}

// stopAll ends every process of this run.
func (r *run) stopAll() {
	for _, p := range r.processes {
		p.mu.Lock()
		p.wanted = true
		p.mu.Unlock()
	}
	sweep(r.mark)
}

// tails shows the ends of all logs.
func (r *run) tails(w io.Writer) {
	logs, _ := filepath.Glob(r.path("*.log"))
	for _, path := range logs {
		tail(w, path, 25)
	}
	if died := r.deaths(); len(died) > 0 {
		fmt.Fprintln(w, strings.Join(died, "\n"))
	}
}

// deaths are programs that ended though nobody killed them.
func (r *run) deaths() []string {
	var all []string
	for _, p := range r.processes {
		all = append(all, p.deaths()...)
	}
	return all
}
