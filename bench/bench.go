package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/remora-ray/remora/bench/floor"
	"github.com/remora-ray/remora/bench/gen"
	"github.com/remora-ray/remora/bench/receive"
	"github.com/remora-ray/remora/test/loopback"
)

const defaultPaced = 20 * time.Second

// bench is one run.
type bench struct {
	bin, out, work string
	size           byteSize
	seed           uint64
	begin          time.Time // of the logs; zero for the usual
	rounds         int
	paced          time.Duration

	dir      string
	manifest *gen.Manifest
	fig      figures
}

// figures are all that was measured.
type figures struct {
	floors, agents []run // in turn
	sent           receive.Counts
	encoded        floor.Result

	server      run // until the last line was acknowledged
	serverAgent run
	settled     time.Duration // CPU of the server when it had come to rest
	disk        int64
	journal     int64 // of disk
	queries     []timing
	paced       pacedFigures
}

// run is what one program cost.
type run struct {
	cpu, wall time.Duration
	peak      int64
}

type floorFigures struct {
	floor.Result
	CPU time.Duration
}

// ownCPU is the time this process has spent.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// prepare makes a directory for all that the run leaves behind, and the logs.
func (b *bench) prepare() (err error) {
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.work, "remora-bench-"); err != nil {
		return err
	}
	b.say("making %s of logs", b.size.String())
	b.manifest, err = gen.Make(gen.Config{Dir: b.path("ray"), Size: int64(b.size), Seed: b.seed, Begin: b.begin})
	return err
}

func (b *bench) run(ctx context.Context) error {
	err := b.prepare()
	defer os.RemoveAll(b.dir)
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{b.plan, b.agentAndFloor, b.serverAndQueries, b.atPace} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

// agent runs the agent over all files into url. It must not have a state yet.
func (b *bench) agent(ctx context.Context, url string) (run, error) {
	state := b.path("state")
	if err := os.RemoveAll(state); err != nil {
		return run{}, err
	}
	c, err := start("remora-agent", filepath.Join(b.bin, "remora-agent"),
		"--ray-root", b.path("ray"), "--state", state, "--url", url, "--cluster", "bench", "--once", "--log-level", "warn")
	if err != nil {
		return run{}, err
	}
	if err := c.wait(ctx); err != nil {
		return run{}, err
	}
	return run{cpu: c.cpu(), wall: c.wall, peak: c.peakRSS()}, nil
}

// receiver starts a null receiver.
func (b *bench) receiver(ctx context.Context, args ...string) (*child, string, error) {
	addr, err := loopback.Address()
	if err != nil {
		return nil, "", err
	}
	c, err := serving(ctx, addr, "/counts", func() (*child, error) {
		return self("receive", append([]string{"-listen", addr}, args...)...)
	})
	return c, "http://" + addr, err
}

// plan runs the agent once, not measured, to see how it encodes the files.
func (b *bench) plan(ctx context.Context) error {
	b.say("noting how the agent encodes them")
	c, url, err := b.receiver(ctx, "-plan")
	if err != nil {
		return err
	}
	defer c.kill()
	if _, err := b.agent(ctx, url); err != nil {
		return err
	}
	var counts receive.Counts
	if err := getJSON(ctx, url+"/counts", &counts); err != nil {
		return err
	}
	if counts.Lines.Number != b.manifest.Lines {
		return fmt.Errorf("the agent sent %d lines, there are %d", counts.Lines.Number, b.manifest.Lines)
	}
	resp, err := http.Get(url + "/plan")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(b.path("plan"))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, resp.Body)
	return err
}

// floor runs the floor program once.
func (b *bench) floor(ctx context.Context) error {
	c, err := self("floor", "-dir", b.path("ray"), "-plan", b.path("plan"))
	if err != nil {
		return err
	}
	if err := c.wait(ctx); err != nil {
		return err
	}
	var f floorFigures
	if err := json.Unmarshal(c.out.Bytes(), &f); err != nil {
		return err
	}
	if f.Lines != b.manifest.Lines || f.Read != b.manifest.Bytes {
		return fmt.Errorf("the floor read %d lines of %d bytes, there are %d of %d", f.Lines, f.Read, b.manifest.Lines, b.manifest.Bytes)
	}
	b.fig.encoded = f.Result
	b.fig.floors = append(b.fig.floors, run{cpu: f.CPU, wall: c.wall, peak: c.peakRSS()})
	return nil
}

// agentAndFloor runs both in turn, so that what else the machine does hits both.
func (b *bench) agentAndFloor(ctx context.Context) error {
	for i := range b.rounds {
		b.say("floor and agent, round %d of %d", i+1, b.rounds)
		if err := b.floor(ctx); err != nil {
			return err
		}
		r, url, err := b.receiver(ctx)
		if err != nil {
			return err
		}
		a, err := b.agent(ctx, url)
		if err == nil {
			err = getJSON(ctx, url+"/counts", &b.fig.sent)
		}
		r.kill()
		if err != nil {
			return err
		}
		b.fig.agents = append(b.fig.agents, a)
	}
	return nil
}

// median of what was measured several times.
func median(runs []run, of func(run) float64) float64 {
	var v []float64
	for _, r := range runs {
		v = append(v, of(r))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func machine() string {
	name := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	if m := firstField(string(text), "model name"); m != "" {
		name = m
	}
	return fmt.Sprintf("%s, %d cores, %s", name, runtime.NumCPU(), runtime.Version())
}
