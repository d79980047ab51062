package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/remora-ray/remora/internal/store/embedded"
)

// A server that runs is asked for a snapshot through a socket in its data
// directory, which only its own user can open: there is no token to name, and
// nothing to reach over the network.
const controlDir = "control"

// maxSocketPath is what the kernel takes as the name of a socket.
const maxSocketPath = 107

// controlPath is the socket's path, by a short name where the long one is too
// long; done lets that go.
func controlPath(data string) (path string, done func(), err error) {
	path = filepath.Join(data, controlDir, "socket")
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/socket", dir.Fd()), func() { _ = dir.Close() }, nil
}

// control answers on the socket.
type control struct {
	store  *embedded.Engine
	log    *slog.Logger
	server *http.Server
	ending context.Context
}

// snapshotAnswer names the directory of a snapshot, which is there for as long as
// the connection is.
type snapshotAnswer struct {
	Dir   string `json:"dir,omitempty"`
	Error string `json:"error,omitempty"`
}

// openControl listens; the store's lock is held, so no other server does. The
// returned function ends it and waits for those at work.
func openControl(data string, store *embedded.Engine, log *slog.Logger) (end func() error, err error) {
	if err := os.MkdirAll(filepath.Join(data, controlDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the socket for backups: %w", err)
	}
	path, done, err := controlPath(data)
	if err != nil {
		return nil, fmt.Errorf("make the socket for backups: %w", err)
	}
	defer done()
	_ = os.Remove(path) // of a server that was killed
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the socket for backups: %w", err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	ctx, cancel := context.WithCancel(context.Background())
	c := &control{store: store, log: log, ending: ctx}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /snapshot", c.snapshot)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(listener) }()
	return func() error {
		cancel()
		err := c.server.Shutdown(context.Background())
		if s := <-served; !errors.Is(s, http.ErrServerClosed) {
			err = errors.Join(err, s)
		}
		return err
	}, nil
}

// snapshot holds one until who asked has gone.
func (c *control) snapshot(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(c.ending, cancel)()
	began := time.Now()
	dir, err := c.store.TakeSnapshot(ctx)
	if err != nil {
		c.log.Error("snapshot failed", "error", err)
		_ = json.NewEncoder(w).Encode(snapshotAnswer{Error: err.Error()})
		return
	}
	c.log.Info("snapshot taken", "dir", dir, "took", time.Since(began))
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			c.log.Error("snapshot was not removed: it goes when the store is opened again", "dir", dir, "error", err)
		}
	}()
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if err := json.NewEncoder(w).Encode(snapshotAnswer{Dir: dir}); err != nil {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	<-ctx.Done()
}

// errNoServer means that no server has the data directory open.
var errNoServer = errors.New("no server has the data directory open")

// heldSnapshot asks the server of a data directory for a snapshot; release lets
// it go.
func heldSnapshot(ctx context.Context, data string) (dir string, release func(), err error) {
	path, done, err := controlPath(data)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return "", nil, errNoServer
		}
		return "", nil, err
	}
	defer done()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	ctx, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/snapshot", nil)
	if err != nil {
		cancel()
		return "", nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		cancel()
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
			return "", nil, errNoServer
		}
		return "", nil, fmt.Errorf("ask the server for a snapshot: %w", err)
	}
	release = func() { cancel(); _ = response.Body.Close() }
	var answer snapshotAnswer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		release()
		return "", nil, fmt.Errorf("ask the server for a snapshot: %w", err)
	}
	if answer.Error != "" {
		release()
		return "", nil, errors.New(answer.Error)
	}
	return answer.Dir, release, nil
}
