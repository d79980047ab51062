package config

import (
	"bytes"
	"errors"
	"io"
	"net/url"

	"github.com/remora-ray/remora/internal/agent/ship"
)

// HTTP is a server over HTTP.
type HTTP struct {
	URL             string `yaml:"url"`
	Tenant          string `yaml:"tenant"`
	BearerTokenFile string `yaml:"bearer_token_file"`
}

// Stdout writes lines to standard output.
type Stdout struct {
	Format string `yaml:"format"`
}

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// check reports whether a target can be made of the output.
func (o *Output) check() error {
	_, err := o.Target(io.Discard, "check")
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
	return ship.NewClient(ship.Config{URL: h.URL, Tenant: h.Tenant, TokenFile: h.BearerTokenFile, UserAgent: "remora-agent/" + version})
}

// HTTP is the options of an output over HTTP, nil for one that is none.
func (o *Output) HTTP() *HTTP {
	if o.Remora != nil {
		return o.Remora
	}
	return o.Loki
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
