package config

import (
	"errors"
	"io"
	"net/url"

	"github.com/remora-ray/remora/internal/agent/ship"
)

// Stdout writes lines to standard output.
type Stdout struct {
	Format string `yaml:"format"`
}

// HTTP is the options of an output over HTTP, nil for one that is none.
func (o *Output) HTTP() *ship.HTTP {
	if o.Remora != nil {
		return o.Remora
	}
	return o.Loki
}

// check reports all that is wrong with the output's options.
func (o *Output) check() error {
	if h := o.HTTP(); h != nil {
		return h.Validate()
	}
	_, err := o.Target(io.Discard, "")
	return err
}

// Target makes the output's target; lines for standard output go to w.
func (o *Output) Target(w io.Writer, version string) (ship.Target, error) {
	h := o.HTTP()
	if h == nil {
		if o.Stdout.Format != "" && o.Stdout.Format != "json" {
			return nil, errors.New("format is not json")
		}
		return ship.NewLines(w), nil
	}
	kind := ship.RemoraServer
	if o.Loki != nil {
		kind = ship.LokiServer
	}
	if o.Any {
		kind = ship.AnyServer
	}
	return ship.NewClient(ship.Config{HTTP: *h, Server: kind, UserAgent: "remora-agent/" + version})
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
