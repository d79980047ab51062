package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// served is a server over a store. It runs in this process, so that lines can be
// stored as scripts give them, without the labels that a push gets.
type served struct {
	engine *embedded.Engine
	http   *httptest.Server
	url    string
}

func open(dir, address string) (*served, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	cfg := embedded.Config{Dir: filepath.Join(dir, "store"), Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	var loki *url.URL
	if address != "" {
		o, err := embedded.ParseOutgrown(address)
		if err != nil {
			return nil, err
		}
		cfg.Outgrown = o
		if o.Kind == embedded.Loki {
			loki = o.Query
		}
	}
	engine, err := embedded.Open(cfg)
	if err != nil {
		return nil, err
	}
	handler, err := server.New(server.Config{Store: engine, Engine: exec.New(plan.Limits{}), Loki: loki})
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	s := &served{engine: engine, http: httptest.NewServer(handler)}
	s.url = s.http.URL
	return s, nil
}

func (s *served) close() error {
	s.http.Close()
	return s.engine.Close()
}

// ask sends a form and returns status and body.
func (s *served) ask(ctx context.Context, method, path, tenant string, form url.Values) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path+"?"+form.Encode(), nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("X-Scope-OrgID", tenant)
	request.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
