package config

import (
	"io"
	"log/slog"
	"net/url"
	"slices"

	"github.com/remora-ray/remora/internal/agent/ship"
)

// Stdin names what remora-agent pipe reads among the sources that an output takes.
const Stdin = "stdin"

// HTTP is the options of an output over HTTP, nil for one that is none.
func (o *Output) HTTP() *ship.HTTP {
	if o.Remora != nil {
		return o.Remora
	}
	return o.Loki
}

// Takes reports whether the lines of a source go to the output.
func (o *Output) Takes(source string) bool {
	return len(o.Sources) == 0 || slices.Contains(o.Sources, source)
}

// Engines is how many ways there are from a source to an output.
func (c *Config) Engines() (n int) {
	for i := range c.Sources {
		for j := range c.Outputs {
			if c.Outputs[j].Takes(c.Sources[i].Name) {
				n++
			}
		}
	}
	return n
}

// check reports all that is wrong with the output's options.
func (o *Output) check() error {
	if h := o.HTTP(); h != nil {
		return h.Validate()
	}
	return o.Stdout.Validate()
}

// Target makes the output's target; lines for standard output go to w.
func (o *Output) Target(w io.Writer, version string, log *slog.Logger) (ship.Target, error) {
	h := o.HTTP()
	if h == nil {
		return ship.NewStdout(w, o.Stdout.Format)
	}
	kind := ship.RemoraServer
	if o.Loki != nil {
		kind = ship.LokiServer
	}
	if o.Any {
		kind = ship.AnyServer
	}
	return ship.NewClient(ship.Config{HTTP: *h, Server: kind, UserAgent: "remora-agent/" + version, Logger: log})
}

// Place says where the output's lines go, without what is secret.
func (o *Output) Place() string {
	h := o.HTTP()
	if h == nil {
		return "stdout"
	}
	u, err := url.Parse(h.URL)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
