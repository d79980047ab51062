package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/remora-ray/remora/bench/receive"
)

// program is an agent that is measured.
type program struct {
	name, version, set string
	// args are its command line: it is to follow the logs below Ray's temp directory
	// root, from each file's first byte, and to send all to url. What it writes goes
	// to state, an empty directory.
	args func(root, state, url string) ([]string, error)
	// dropsEmpty is whether it never sends a line that holds nothing.
	dropsEmpty bool
	catchUp    bool // takes part in the catching up alone
}

func (b *bench) ours() program {
	return program{name: "agent", args: func(root, state, url string) ([]string, error) {
		return []string{
			filepath.Join(b.bin, "remora-agent"), "--ray-root", root, "--state", state, "--url", url,
			"--cluster", "bench", "--listen", "", "--log-level", "warn",
		}, nil
	}}
}

// delivery is a program at work, and the receiver that it sends to.
type delivery struct {
	program
	agent, receiver *child
	url             string // of the receiver
	state           string
	arrived         time.Duration // since the program's start, when the last line was there
}

// deliver starts a receiver and p. The command line of p stands behind wrap.
func (b *bench) deliver(ctx context.Context, p program, root string, wrap ...string) (*delivery, error) {
	r, url, err := b.receiver(ctx)
	if err != nil {
		return nil, err
	}
	d, err := b.launch(p, root, url, wrap...)
	if err != nil {
		r.kill()
		return nil, err
	}
	d.receiver, d.url = r, url
	return d, nil
}

// launch starts p with a state of its own.
func (b *bench) launch(p program, root, url string, wrap ...string) (*delivery, error) {
	state, err := os.MkdirTemp(b.dir, "state-")
	if err != nil {
		return nil, err
	}
	args, err := p.args(root, state, url)
	if err != nil {
		return nil, err
	}
	c, err := start(p.name, append(wrap, args...)...)
	if err != nil {
		return nil, err
	}
	return &delivery{program: p, agent: c, state: state}, nil
}

// until waits until the receiver has counted want, and nothing else.
func (d *delivery) until(ctx context.Context, want receive.Lines, limit time.Duration) error {
	if d.dropsEmpty {
		want = want.WithoutEmpty()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	var got receive.Counts
	for {
		if err := getJSON(ctx, d.url+"/counts", &got); err != nil && ctx.Err() == nil {
			return err
		}
		if got.Lines == want {
			d.arrived = time.Since(d.agent.begin)
			return nil
		}
		if got.Lines.Number > want.Number {
			return fmt.Errorf("%s sent %d lines too many", d.name, got.Lines.Number-want.Number)
		}
		select {
		case <-d.agent.ended:
			return fmt.Errorf("%s ended (%v) when %d of %d lines had arrived\n%s", d.name, d.agent.cmd.ProcessState, got.Lines.Number, want.Number, d.agent.err.text)
		case <-ctx.Done():
			return fmt.Errorf("%s: %d of %d lines arrived: %w\n%s", d.name, got.Lines.Number, want.Number, context.Cause(ctx), d.agent.err.text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var errLate = errors.New("not within the time given")

// end ends the program in order, or after a while without, and says what it cost
// until the last line had arrived. Some peers end with a status of failure when
// they are told to end.
func (d *delivery) end(ctx context.Context) run {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = d.agent.stop(ctx)
	return run{cpu: d.agent.cpu(), wall: d.arrived, peak: d.agent.peakRSS()}
}

// kill ends what still runs and removes the state.
func (d *delivery) kill() {
	d.agent.kill()
	if d.receiver != nil {
		d.receiver.kill()
	}
	_ = os.RemoveAll(d.state)
}
