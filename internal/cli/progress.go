package cli

import (
	"fmt"
	"strings"
	"time"
)

// progress tells on standard error how far a command has come: a bar on a
// terminal, a line now and then elsewhere. Its methods are not safe for
// concurrent use.
type progress struct {
	app   *app
	name  string
	total uint64
	begin time.Time
	told  time.Time
	drawn bool
}

const (
	drawEvery = 100 * time.Millisecond
	tellEvery = 5 * time.Second
)

func newProgress(a *app, name string, total uint64) *progress {
	return &progress{app: a, name: name, total: total, begin: time.Now(), told: time.Now()}
}

// set says that done bytes are done and what is being worked on.
func (p *progress) set(done uint64, what string) {
	now := time.Now()
	if p.app.live && now.Sub(p.told) >= drawEvery {
		p.told, p.drawn = now, true
		fmt.Fprintf(p.app.stderr, "\r\x1b[K%s", p.bar(done, what, now))
	} else if !p.app.live && now.Sub(p.told) >= tellEvery {
		p.told = now
		p.app.notice("%s: %s of %s", p.name, sizeText(done), sizeText(p.total))
	}
}

const barWidth = 24

func (p *progress) bar(done uint64, what string, now time.Time) string {
	part := 1.0
	if p.total > 0 {
		part = min(1, float64(done)/float64(p.total))
	}
	full := int(part * barWidth)
	rate := sizeText(uint64(float64(done) / max(0.001, now.Sub(p.begin).Seconds())))
	return fmt.Sprintf("%s %s%s %3.0f %%  %s/s  %s", p.name,
		strings.Repeat("█", full), strings.Repeat("░", barWidth-full), part*100, rate, shorten(what, 30))
}

// notice writes a line without tearing the bar.
func (p *progress) notice(format string, args ...any) {
	p.end()
	p.app.notice(format, args...)
}

// end removes the bar.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.app.stderr, "\r\x1b[K")
		p.drawn = false
	}
}
