package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/remora-ray/remora/bench/gen"
	"github.com/remora-ray/remora/test/loopback"
)

// lokiConfig is a Loki as one runs a single binary: its defaults, and what they
// would refuse of this load or of these questions let through. It keeps to the
// defaults in what costs CPU and memory: replication, chunk sizes, write-ahead log,
// encoding, the number of queries that a query is split into. Answers are not
// cached, as each is asked for several times, and busy streams are not split, so
// that they have the labels which were sent.
const lokiConfig = `auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: %[1]s
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: %[2]s
  grpc_server_max_recv_msg_size: 104857600
  grpc_server_max_send_msg_size: 104857600
  http_server_read_timeout: 10m
  http_server_write_timeout: 10m
  log_level: error
common:
  path_prefix: %[3]s
  instance_addr: 127.0.0.1
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage:
    filesystem: {chunks_directory: %[3]s/chunks, rules_directory: %[3]s/rules}
schema_config:
  configs:
    - {from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
memberlist: {bind_addr: [127.0.0.1], bind_port: %[4]s}
query_range: {cache_results: false}
analytics: {reporting_enabled: false}
limits_config:
  allow_structured_metadata: true
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  query_timeout: 10m
  max_query_series: 5000
  volume_enabled: true
  shard_streams: {enabled: false}
`

// memoryLimit is what Remora is told to keep to.
const memoryLimit = "512MB"

// lokiBench is one run that measures the server beside Loki.
type lokiBench struct {
	*bench
	loki   string
	rounds int
	bodies *bodies

	ours, theirs *side
	own          *side // ours, fed by the agent in its own form
	asked        []*asking

	crowded   []crowd
	abandoned []time.Duration
	trampled  int64 // peak of memory after the worst questions
	factor    int   // times the size to grow to
	grown     []growth
	added     int64 // bytes of logs
}

// side is one of the two servers.
type side struct {
	name, url string
	dir       string // its data
	log       string // directory of its write-ahead log, in dir
	*child

	acknowledged run           // until the last body was acknowledged
	settled      time.Duration // CPU when it had come to rest
	peak         int64         // of memory, while it stored
	disk, wal    int64
	asking       int64 // peak of memory when all was asked
}

// benchLoki is the command "loki".
func benchLoki(ctx context.Context, args []string) error {
	b := &lokiBench{bench: &bench{size: 1 << 30}}
	fs := flag.NewFlagSet("bench loki", flag.ContinueOnError)
	fs.StringVar(&b.bin, "bin", "../bin", "directory that holds remora and remora-agent")
	fs.StringVar(&b.loki, "loki", "", "program of Loki 3.7.8 (default: the one in the cache, built by make loki)")
	fs.Var(&b.size, "size", "bytes of logs to make, like 64MiB")
	fs.Uint64Var(&b.seed, "seed", 1, "what the logs are made of")
	fs.IntVar(&b.rounds, "rounds", 5, "times to ask each question")
	fs.IntVar(&b.factor, "grow", 1, "also add older logs up to so many times the size, and ask Remora again")
	fs.StringVar(&b.out, "out", "", "also write the section of docs/performance.md into this file")
	fs.StringVar(&b.work, "work", os.TempDir(), "directory for the logs and the stores, about six times the size, and half the size for each time more")
	short := fs.Bool("short", false, "64 MiB and few rounds, only to see that all works")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *short {
		b.size, b.rounds = 64<<20, 3
	}
	if b.loki == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		b.loki = filepath.Join(cache, "remora", "loki-3.7.8")
	}
	if _, err := os.Stat(b.loki); err != nil {
		return fmt.Errorf("%w: build it with make loki, or name one with -loki", err)
	}
	return b.run(ctx)
}

func (b *lokiBench) run(ctx context.Context) (err error) {
	// Recent lines, as Loki takes no old ones; whole days are not looked for.
	b.begin = time.Now().UTC().Truncate(time.Hour).Add(-gen.Span - time.Hour)
	err = b.prepare()
	defer os.RemoveAll(b.dir)
	if err != nil {
		return err
	}
	if b.bodies, err = b.record(ctx); err != nil {
		return err
	}
	defer b.bodies.file.Close()
	if b.bodies.lines != b.manifest.Lines {
		return fmt.Errorf("the agent sent %d lines, there are %d", b.bodies.lines, b.manifest.Lines)
	}
	if err := b.fillOwn(ctx); err != nil {
		return err
	}
	for _, launch := range []func(context.Context) (*side, error){b.startLoki, b.startRemora} {
		s, err := launch(ctx)
		if err != nil {
			return err
		}
		defer s.kill()
		if err := b.fill(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if err := b.askBoth(ctx); err != nil {
		return err
	}
	b.theirs.kill()
	for _, part := range []func(context.Context) error{b.crowds, b.abandon, b.stampede} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if b.factor > 1 {
		// What was measured is not lost with what takes longest.
		if err := b.report(); err != nil {
			return err
		}
		if err := b.grow(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

// fillOwn lets the agent ship the logs to a Remora in the form that it has for one.
func (b *lokiBench) fillOwn(ctx context.Context) error {
	s := &side{name: "Remora, by its agent", dir: b.path("own"), log: "store/journal"}
	var err error
	if s.child, s.url, err = b.server(ctx, s.dir, "--memory", memoryLimit); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	defer s.kill()
	b.say("%s", s.name)
	begun, before := time.Now(), s.cpu()
	if _, err := b.agent(ctx, s.url); err != nil {
		return err
	}
	s.acknowledged = run{cpu: s.cpu() - before, wall: time.Since(begun)}
	b.rest(ctx, s.child)
	s.settled, s.peak = s.cpu()-before, s.peakRSS()
	b.say("%s: %.1f CPU s, %.0f MiB of memory", s.name, s.settled.Seconds(), mib(s.peak))
	b.own = s
	return nil
}

// addOlder ships logs of an earlier time to ours.
func (b *lokiBench) addOlder(ctx context.Context, begin time.Time, seed uint64) error {
	b.say("adding logs of %s", begin.Format(time.DateTime))
	if err := os.RemoveAll(b.path("ray")); err != nil {
		return err
	}
	m, err := gen.Make(gen.Config{Dir: b.path("ray"), Size: int64(b.size), Seed: seed, Begin: begin})
	if err != nil {
		return err
	}
	_, err = b.agent(ctx, b.ours.url)
	b.added += m.Bytes
	return err
}

func (b *lokiBench) startLoki(ctx context.Context) (*side, error) {
	ports, err := loopback.Ports(3)
	if err != nil {
		return nil, err
	}
	s := &side{name: "Loki", url: "http://127.0.0.1:" + ports[0], dir: b.path("loki"), log: "wal"}
	b.theirs = s
	config := b.path("loki.yaml")
	text := fmt.Appendf(nil, lokiConfig, ports[0], ports[1], s.dir, ports[2])
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	s.child, err = serving(ctx, s.url[len("http://"):], "/ready", func() (*child, error) {
		return start("loki", b.loki, "-config.file="+config)
	})
	return s, err
}

func (b *lokiBench) startRemora(ctx context.Context) (*side, error) {
	s := &side{name: "Remora", dir: b.path("data"), log: "store/journal"}
	b.ours = s
	var err error
	s.child, s.url, err = b.server(ctx, s.dir, "--memory", memoryLimit)
	return s, err
}

// fill pushes all bodies and waits until the server is at rest with everything on
// disk. Ours gets some bodies twice and is to have each line once; Loki would
// count some lines of them twice, and answers could not be compared.
func (b *lokiBench) fill(ctx context.Context, s *side) error {
	b.say("%s takes %d bodies", s.name, len(b.bodies.ends))
	begun, before := time.Now(), s.cpu()
	if err := b.bodies.push(ctx, s.url, s == b.ours); err != nil {
		return err
	}
	s.acknowledged = run{cpu: s.cpu() - before, wall: time.Since(begun)}
	b.say("%s: %.1f CPU s, %.1f s; coming to rest", s.name, s.acknowledged.cpu.Seconds(), s.acknowledged.wall.Seconds())
	if s == b.theirs {
		// Everything to its store, as later questions find it.
		if err := post(ctx, s.url+"/flush", nil); err != nil {
			return err
		}
	}
	b.rest(ctx, s.child)
	s.settled, s.peak = s.cpu()-before, s.peakRSS()
	var err error
	if s.disk, err = diskUse(s.dir); err != nil {
		return err
	}
	s.wal, err = diskUse(filepath.Join(s.dir, s.log))
	b.say("%s: %.1f CPU s, %.0f MiB of memory, %.1f MiB on disk, %.1f MiB of it log", s.name, s.settled.Seconds(), mib(s.peak), mib(s.disk), mib(s.wal))
	return err
}

const (
	pushers = 2
	// Of so many bodies one is sent again, as a client does that saw no answer.
	retryEvery = 20
)

// push sends the bodies in order, a few at a time, and some of them again soon
// after.
func (b *bodies) push(ctx context.Context, url string, again bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var group sync.WaitGroup
	for range pushers {
		group.Go(func() {
			for i := range next {
				body, err := b.read(i)
				if err == nil {
					err = post(ctx, url+"/loki/api/v1/push", body)
				}
				if err != nil {
					cancel(fmt.Errorf("body %d: %w", i, err))
				}
			}
		})
	}
	send := func(i int) {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	for i := range b.ends {
		send(i)
		if again && i%retryEvery == retryEvery-1 {
			send(i - retryEvery/2)
		}
	}
	close(next)
	group.Wait()
	return context.Cause(ctx)
}

// post sends a body until it is taken; what the server has no room for at the
// moment is sent again.
func post(ctx context.Context, url string, body []byte) error {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		switch {
		case resp.StatusCode < 300:
			return nil
		case resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500 || wait > 10*time.Second:
			return fmt.Errorf("%s: %s: %.300s", url, resp.Status, text)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// span is the time of all lines, a little more on either side.
func (b *lokiBench) span() (start, end time.Time) {
	return b.begin.Add(-time.Minute), b.begin.Add(gen.Span + time.Minute)
}

func (b *lokiBench) over(params ...string) url.Values {
	start, end := b.span()
	v := url.Values{"start": {nanos(start)}, "end": {nanos(end)}}
	for i := 0; i < len(params); i += 2 {
		v.Set(params[i], params[i+1])
	}
	return v
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
