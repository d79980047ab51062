package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/server"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// serveFlags are what "server" and "up" share.
type serveFlags struct {
	data, listen   string
	auth           string
	noAuth         bool
	limits         string
	cert, key      string // of TLS
	retention      span
	diskFloor      byteSize
	maxDiskPercent int
	maxTenantSize  byteSize
	memory         byteSize
	storeAt        string
	logLevel       *choice
	logFormat      *choice

	token string // of our own agent, which may name every tenant
}

func (f *serveFlags) add(cmd *cobra.Command, data, dataText, level string) {
	fs := cmd.Flags()
	fs.StringVar(&f.data, "data", data, dataText)
	fs.StringVar(&f.listen, "listen", "127.0.0.1:3100", "address to listen on; other than this machine's own only with --auth or --no-auth")
	fs.StringVar(&f.auth, "auth", "", "file with the tokens of users and the tenants that each may name")
	fs.StringVar(&f.limits, "limits", "", "file with limits of tenants, as YAML: defaults: {ingestion_rate_mb: 4}, tenants: {NAME: {retention_period: 7d}}")
	fs.BoolVar(&f.noAuth, "no-auth", false, "let everybody who reaches the address read and write")
	fs.Var(&f.retention, "retention", "remove lines older than this, in whole days, like 30d (default: keep them for ever)")
	fs.Var(&f.diskFloor, "disk-floor", "take no more lines when less than this is free (default a twentieth of the disk, 64MiB to 5GiB)")
	fs.IntVar(&f.maxDiskPercent, "max-disk-percent", 80, "remove the oldest days of a tenant beyond this share of the disk")
	fs.Var(&f.maxTenantSize, "max-tenant-size", "remove the oldest days of a tenant beyond this size, like 50GiB, instead of --max-disk-percent")
	fs.Var(&f.memory, "memory", "keep to about this much memory, like 512MB, and use it to save CPU (default: as little as is of use)")
	fs.StringVar(&f.storeAt, "store", "", "keep the lines in another store, victorialogs://HOST:PORT or loki://HOST:PORT, and only what keeps them once in --data")
	f.logLevel = newChoice("debug", "info", "warn", "error")
	f.logLevel.value = level
	f.logLevel.add(cmd, "log-level", "tell this much on standard error")
	f.logFormat = newChoice("text", "json")
	f.logFormat.add(cmd, "log-format", "how to tell it")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("auth")
}

// check refuses to open a machine's logs to the network by accident.
func (f *serveFlags) check() error {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return usagef("--listen %q is no address: want HOST:PORT, like 127.0.0.1:3100 or :3100", f.listen)
	}
	if f.auth != "" && f.noAuth {
		return usagef("--auth and --no-auth exclude each other")
	}
	if f.auth == "" && !f.noAuth && !loopback(host) {
		return usagef("--listen %s lets everybody who reaches this machine read and write its logs: give --auth FILE, or --no-auth to accept that", f.listen)
	}
	if (f.cert == "") != (f.key == "") {
		return usagef("--tls-cert and --tls-key belong together")
	}
	if f.memory != 0 && f.memory < minMemory {
		return usagef("--memory %s is too little to work with: want 128MiB or more", f.memory.String())
	}
	if f.maxDiskPercent < 1 || f.maxDiskPercent > 100 {
		return usagef("--max-disk-percent %d: want 1 to 100", f.maxDiskPercent)
	}
	if f.retention != 0 && time.Duration(f.retention) < 24*time.Hour {
		return usagef("--retention %s: lines are removed in whole days, want 1d or more", f.retention.String())
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *serveFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.logLevel.value))
	o := &slog.HandlerOptions{Level: level}
	if f.logFormat.value == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// serving is a server that listens, with its store open:
//
//	listener ─▶ server.Server ─▶ exec.Engine ─▶ embedded.Engine ─▶ DIR/store
//	               └────────── pushes, labels, tail ──────▲
type serving struct {
	url   string
	log   *slog.Logger
	store *embedded.Engine
	stop  context.CancelFunc
	// endControl ends what answers on the socket for backups.
	endControl func() error
	ended      chan struct{} // closed when the server has ended, by stop or by itself
	err        error         // of the server, once ended
}

const minMemory = 128 << 20

// limitMemory makes Go's runtime collect early enough to stay below the limit, and
// seldom before that. What it does not see, as files mapped into memory, has a sixth
// of it.
func (f *serveFlags) limitMemory() {
	if f.memory != 0 {
		debug.SetMemoryLimit(int64(f.memory / 6 * 5))
		debug.SetGCPercent(collectBelow)
	}
}

// queryLimits lets fewer queries work at a time where memory is short.
func (f *serveFlags) queryLimits() (l server.Limits) {
	if f.memory != 0 {
		l.Queries = 2 * runtime.GOMAXPROCS(0)
	}
	return l
}

// collectBelow is by how many percent of what is needed memory grows between two
// collections, as long as the limit is far.
const collectBelow = 400

// open takes the port, then the store, and serves.
func (f *serveFlags) open(a *app, log *slog.Logger, registry *prometheus.Registry) (*serving, error) {
	auth, err := f.loadAuth()
	if err != nil {
		return nil, err
	}
	limits, certs, err := f.doors(log)
	if err != nil {
		return nil, err
	}
	outgrown, err := f.outgrown()
	if err != nil {
		return nil, err
	}
	listener, err := listen(f.listen)
	if err != nil {
		return nil, err
	}
	f.limitMemory()
	store, err := embedded.Open(embedded.Config{
		Dir:            filepath.Join(f.data, "store"),
		MemoryBytes:    int64(f.memory / 2),
		QueueBytes:     int64(f.memory / 8),
		Retention:      f.keepFor(limits),
		DiskFloorBytes: uint64(f.diskFloor),
		MaxDiskPercent: f.maxDiskPercent,
		MaxTenantBytes: f.keepBytes(limits),
		Tenants:        keeps(limits),
		Outgrown:       outgrown,
		Logger:         log,
		Registerer:     registry,
	})
	if err != nil {
		listener.Close()
		return nil, openHint(err, f.data)
	}
	handler, err := server.New(server.Config{
		Store:      store,
		Engine:     exec.New(plan.Limits{MaxMemory: int(f.memory / 8)}),
		Limits:     f.queryLimits(),
		Logger:     log,
		Registerer: registry,
		Gatherer:   registry,
		Auth:       auth,
		Tenants:    limits,
		Loki:       lokiOf(outgrown),
		Version:    server.Version{Version: a.build.Version, Revision: a.build.Commit},
	})
	if err != nil {
		listener.Close()
		return nil, errors.Join(err, store.Close())
	}
	endControl, err := openControl(f.data, store, log)
	if err != nil {
		// All else works; a backup says that no server answers.
		log.Warn("no backups while the server runs", "error", err)
		endControl = func() error { return nil }
	}
	ctx, stop := context.WithCancel(context.Background())
	url := "http://" + reachable(listener.Addr().(*net.TCPAddr))
	if certs != nil {
		url = "https" + strings.TrimPrefix(url, "http")
		listener = tls.NewListener(listener, certs)
	}
	s := &serving{
		url: url,
		log: log, store: store, stop: stop, endControl: endControl, ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		s.err = handler.Serve(ctx, listener)
	}()
	return s, nil
}

// close ends the server in order: no new requests, those at work come to their
// end, then the store is closed with everything on disk.
func (s *serving) close() error {
	s.stop()
	<-s.ended
	return errors.Join(s.err, s.endControl(), s.store.Close())
}

// doors reads the limits of tenants and the certificate, where there are any.
func (f *serveFlags) doors(log *slog.Logger) (limits *server.LimitsFile, certs *tls.Config, err error) {
	if f.limits != "" {
		if limits, err = server.LoadLimits(f.limits); err != nil {
			return nil, nil, &hinted{err, "--limits names a YAML file like defaults: {ingestion_rate_mb: 4}"}
		}
	}
	if f.cert != "" {
		if certs, err = server.LoadTLS(f.cert, f.key, log); err != nil {
			return nil, nil, &hinted{err, "--tls-cert and --tls-key name files in PEM"}
		}
	}
	return limits, certs, nil
}

// outgrown reads --store.
func (f *serveFlags) outgrown() (*embedded.Outgrown, error) {
	if f.storeAt == "" {
		return nil, nil
	}
	o, err := embedded.ParseOutgrown(f.storeAt)
	if err != nil {
		return nil, usagef("--store: %v", err)
	}
	if f.retention != 0 || f.maxTenantSize != 0 {
		return nil, usagef("--retention and --max-tenant-size are for lines that are kept in --data: how long %s keeps them is set there", o)
	}
	return o, nil
}

// lokiOf is the Loki that questions are passed on to, where lines are kept in one.
func lokiOf(o *embedded.Outgrown) *url.URL {
	if o == nil || o.Kind != embedded.Loki {
		return nil
	}
	return o.Query
}

// keepFor is how long lines of tenants are kept for which nothing else is set.
func (f *serveFlags) keepFor(limits *server.LimitsFile) time.Duration {
	if limits != nil && limits.Defaults.Retention != 0 {
		return time.Duration(limits.Defaults.Retention)
	}
	return time.Duration(f.retention)
}

func (f *serveFlags) keepBytes(limits *server.LimitsFile) uint64 {
	if limits != nil && limits.Defaults.DiskGB != 0 {
		return uint64(limits.Defaults.DiskGB * (1 << 30))
	}
	return uint64(f.maxTenantSize)
}

// keeps is what the file of limits says of what is kept of single tenants.
func keeps(limits *server.LimitsFile) map[string]embedded.Keep {
	out := make(map[string]embedded.Keep)
	if limits == nil {
		return out
	}
	for name, l := range limits.Tenants {
		out[name] = embedded.Keep{Age: time.Duration(l.Retention), Bytes: uint64(l.DiskGB * (1 << 30))}
	}
	return out
}

// loadAuth reads the tokens of --auth and adds that of our own agent.
func (f *serveFlags) loadAuth() (*server.Auth, error) {
	if f.auth == "" {
		return nil, nil
	}
	auth, err := server.LoadAuth(f.auth)
	if err != nil {
		return nil, &hinted{err, "--auth names a file with lines like TOKEN TENANT[,TENANT] [read|write]"}
	}
	if f.token == "" {
		return auth, nil
	}
	file, err := os.Open(f.auth)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return server.ParseAuth(io.MultiReader(file, strings.NewReader("\n"+f.token+" *\n")))
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &hinted{
			fmt.Errorf("port taken: something listens on %s already", addr),
			"a Remora that runs there can be asked at once; another one needs another port: --listen 127.0.0.1:3101",
		}
	case errors.Is(err, syscall.EACCES):
		return nil, &hinted{fmt.Errorf("no permission to listen on %s", addr), "ports below 1024 are for root: choose another with --listen"}
	case err != nil:
		return nil, &hinted{fmt.Errorf("listen on %s: %w", addr, unwrapNet(err)), "choose an address of this machine with --listen"}
	}
	return l, nil
}

// unwrapNet drops what net.OpError repeats.
func unwrapNet(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func openHint(err error, data string) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return &hinted{fmt.Errorf("no permission for the data directory %s: %w", data, err), "choose another with --data, or give this user the right to write there"}
	case errors.Is(err, syscall.ENOSPC):
		return &hinted{fmt.Errorf("the disk of the data directory %s is full: %w", data, err), "make room, or choose another with --data"}
	case errors.Is(err, syscall.ENOTDIR):
		return &hinted{fmt.Errorf("the data directory %s cannot be made: a part of its path is a file", data), "choose another with --data"}
	}
	return &hinted{err, "the data directory is chosen with --data"}
}

// reachable is where this machine reaches a listener.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", a.Port)
	}
	return a.String()
}
