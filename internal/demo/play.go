package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options of one play.
type Options struct {
	// Now is the time that the recorded moment Lead after the begin becomes. What
	// was written before it is written at once, the rest as time goes on.
	Now  time.Time
	Lead time.Duration
	// Speed is how many recorded seconds pass in one second; 0 means 1.
	Speed float64
	// Zone of the time stamps that have none; nil means the machine's, in which an
	// agent reads them.
	Zone *time.Location
}

// when is the time of the play that is d after the begin of the recording.
func (o Options) when(d time.Duration) time.Time {
	d -= o.Lead
	if d > 0 && o.Speed > 0 {
		d = time.Duration(float64(d) / o.Speed)
	}
	return o.Now.Add(d)
}

// Play writes the recording into dir, Ray's temp directory, until its end or
// until ctx ends. It returns the name of the session directory that it made.
func (r *Recording) Play(ctx context.Context, dir string, o Options) (session string, err error) {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	p := &play{r: r, dir: dir, o: o, open: map[int]*os.File{}}
	defer func() {
		for _, f := range p.open {
			f.Close()
		}
	}()
	p.session = string(p.moved([]byte(r.Session)))
	if err := p.prepare(); err != nil {
		return p.session, err
	}
	for _, w := range r.writes {
		if err := p.wait(ctx, w.at); err != nil {
			return p.session, err
		}
		if err := p.write(w); err != nil {
			return p.session, fmt.Errorf("play recording: %w", err)
		}
	}
	return p.session, nil
}

type play struct {
	r       *Recording
	dir     string
	o       Options
	session string
	open    map[int]*os.File
	content [][]byte // of each file, its stamps moved
}

// moved moves the stamps of text to the time of the play.
func (p *play) moved(text []byte) []byte {
	return p.r.recorded(p.o.Zone).move(text, func(t time.Time) time.Time { return p.o.when(t.Sub(p.r.Begin)) })
}

// prepare makes the directories, every file that is no log, and empty ones.
func (p *play) prepare() error {
	for _, d := range p.r.dirs {
		if err := os.MkdirAll(p.path(d), 0o755); err != nil {
			return err
		}
	}
	p.content = make([][]byte, len(p.r.files))
	paced := map[int]bool{}
	for _, w := range p.r.writes {
		paced[w.file] = true
	}
	for i, f := range p.r.files {
		p.content[i] = p.moved(f.content)
		if paced[i] {
			continue
		}
		name := p.path(f.path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, p.content[i], 0o644); err != nil {
			return err
		}
	}
	latest := filepath.Join(p.dir, "session_latest")
	if err := os.Remove(latest); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(filepath.Join(p.dir, p.session), latest)
}

// path is where a recorded path lies in this play.
func (p *play) path(recorded string) string {
	if below, ok := strings.CutPrefix(recorded, p.r.Session); ok {
		recorded = p.session + below
	}
	return filepath.Join(p.dir, filepath.FromSlash(recorded))
}

// wait returns when the time for what came at that moment has come.
func (p *play) wait(ctx context.Context, at time.Duration) error {
	if at <= p.o.Lead {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Until(p.o.when(at)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (p *play) write(w write) error {
	f := p.open[w.file]
	if f == nil {
		name := p.path(p.r.files[w.file].path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		var err error
		if f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
			return err
		}
		p.open[w.file] = f
	}
	_, err := f.Write(p.content[w.file][w.from:w.to])
	return err
}
