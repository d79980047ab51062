package pipe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/agent"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// receiver is a server that keeps what it gets by the rule of offsets.
type receiver struct {
	*httptest.Server
	away atomic.Bool

	mu        sync.Mutex
	committed map[loki.FileID]uint64
	lines     []received
}

type received struct {
	line         string
	labels, meta logs.Labels
	at           int64
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{committed: map[loki.FileID]uint64{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+loki.PathOffsets, r.offsets)
	mux.HandleFunc("POST /loki/api/v1/push", func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		if err != nil || r.away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		if b, err = s2.Decode(nil, b); err != nil {
			t.Errorf("push: %v", err)
		}
		p, err := loki.DecodePush(b)
		if err != nil {
			t.Errorf("push: %v", err)
			return
		}
		r.take(t, p)
		w.WriteHeader(http.StatusNoContent)
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) offsets(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var q loki.OffsetsRequest
	_ = json.NewDecoder(req.Body).Decode(&q)
	a := loki.OffsetsResponse{Files: []loki.FileOffsets{}}
	for _, id := range q.Files {
		a.Files = append(a.Files, loki.FileOffsets{File: id, Committed: r.committed[id]})
	}
	_ = json.NewEncoder(w).Encode(a)
}

// take stores what is new; streams of one file in one push have the same range.
func (r *receiver) take(t *testing.T, p *loki.Push) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := map[loki.FileID]uint64{}
	for _, s := range p.Streams {
		from := r.committed[s.Range.File]
		if s.Range.From > from && s.Range.Gap == "" {
			t.Errorf("bytes %d to %d are missing", from, s.Range.From)
		}
		for _, e := range s.Entries {
			if at, err := strconv.ParseUint(e.Metadata.Get("offset"), 10, 64); err == nil && at >= from {
				r.lines = append(r.lines, received{e.Line, s.Labels, logs.Normalize(slices.Concat(s.Range.Metadata, e.Metadata)), e.Time})
			}
		}
		to[s.Range.File] = max(to[s.Range.File], s.Range.To)
	}
	for id, n := range to {
		r.committed[id] = max(r.committed[id], n)
	}
}

func (r *receiver) got() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		all = append(all, l.line)
	}
	return all
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.lines)
}

func newPipe(t *testing.T, r *receiver, in io.Reader) *Pipe {
	dir := t.TempDir()
	return &Pipe{
		State: dir, Drain: 20 * time.Second,
		Outputs: []Output{{Conf: agent.Config{
			URL: r.URL, State: dir, Node: parse.Node{Cluster: "test"}, PodUID: "pod-1", Location: time.UTC,
			BatchWait: 10 * time.Millisecond, MinWait: 5 * time.Millisecond, MaxWait: 20 * time.Millisecond, ScanEvery: 100 * time.Millisecond,
		}}},
		Input: in, Most: 4 << 20, Logger: slog.New(slog.DiscardHandler),
	}
}

func numbered(from, to int) (text string, lines []string) {
	for n := from; n < to; n++ {
		lines = append(lines, fmt.Sprintf("line %d of what a program prints", n))
	}
	return strings.Join(lines, "\n") + "\n", lines
}

func want(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%d lines arrived, want %d", len(got), len(want))
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("line %d is %.80q, want %.80q", i, got[i], want[i])
			return
		}
	}
}

// left are the files of a spool.
func left(t *testing.T, p *Pipe) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(p.State, "pipe", stem+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryLineArrivesAndNothingIsLeft(t *testing.T) {
	r := newReceiver(t)
	text, lines := numbered(0, 300000) // more than the spool holds
	var copied bytes.Buffer
	p := newPipe(t, r, strings.NewReader(text+"\x00\xff half a line"))
	p.Tee = &copied
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, r.got(), append(lines, "\x00\xff half a line"))
	if copied.String() != text+"\x00\xff half a line" {
		t.Error("the copy is not what was read")
	}
	if l := left(t, p); len(l) > 0 {
		t.Errorf("files are left: %q", l)
	}
}

func TestNoInputIsNoFailure(t *testing.T) {
	r := newReceiver(t)
	r.Close()
	if err := newPipe(t, r, strings.NewReader("")).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// counted counts what was read of it.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
		wait := time.NewTimer(5 * time.Millisecond)
		<-wait.C
	}
}

func TestInputIsReadNoFasterThanTheServerTakesIt(t *testing.T) {
	r := newReceiver(t)
	r.away.Store(true)
	text, lines := numbered(0, 300000)
	in := &counted{Reader: strings.NewReader(text)}
	p := newPipe(t, r, in)
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	most := p.Most + 64<<10
	until(t, "a full spool", func() bool { return in.n.Load() > p.Most-128<<10 })
	if n := in.n.Load(); n > most {
		t.Errorf("%d bytes were read, want %d at most", n, most)
	}
	size := int64(0)
	for _, f := range left(t, p) {
		if i, err := os.Stat(f); err == nil {
			size += i.Size()
		}
	}
	if size > p.Most {
		t.Errorf("%d bytes are in the spool, want %d at most", size, p.Most)
	}
	r.away.Store(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want(t, r.got(), lines)
}

func TestWhatIsLeftIsSentByTheNextRun(t *testing.T) {
	r := newReceiver(t)
	one, lines := numbered(0, 1000)
	pr, pw := io.Pipe()
	p := newPipe(t, r, pr)
	p.Drain = 300 * time.Millisecond
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	if _, err := io.WriteString(pw, one); err != nil {
		t.Fatal(err)
	}
	until(t, "the first lines", func() bool { return r.count() == 1000 })
	r.away.Store(true)
	two, more := numbered(1000, 30000)
	if _, err := io.WriteString(pw, two+"half"); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	if err := <-done; !errors.Is(err, agent.ErrIncomplete) || !strings.Contains(err.Error(), "bytes wait in ") {
		t.Fatalf("error is %v, want that not everything was delivered", err)
	}
	r.away.Store(false)
	three, last := numbered(30000, 30100)
	p.Input, p.Drain = strings.NewReader(three), 20*time.Second
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, r.got(), slices.Concat(lines, more, []string{"half"}, last))
	if l := left(t, p); len(l) > 0 {
		t.Errorf("files are left: %q", l)
	}
}

func TestInputThatDoesNotEndIsLeftAtTheDeadline(t *testing.T) {
	r := newReceiver(t)
	pr, pw := io.Pipe()
	defer pw.Close()
	p := newPipe(t, r, pr)
	p.Drain = 200 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	if _, err := io.WriteString(pw, "one\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "a line", func() bool { return r.count() == 1 })
	stop()
	if err := <-done; !errors.Is(err, agent.ErrIncomplete) || !strings.Contains(err.Error(), "has not ended") {
		t.Errorf("error is %v", err)
	}
}

func TestTwoCannotShareASpool(t *testing.T) {
	r := newReceiver(t)
	p := newPipe(t, r, strings.NewReader("x\n"))
	s, err := openSpool(filepath.Join(p.State, "pipe"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "give each its own --state") {
		t.Errorf("error is %v", err)
	}
}

func TestTheEndOfStandardOutputIsNotTheEndOfTheInput(t *testing.T) {
	r := newReceiver(t)
	pr, pw := io.Pipe()
	pr.Close()
	text, lines := numbered(0, 100)
	p := newPipe(t, r, strings.NewReader(text))
	p.Tee = pw
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, r.got(), lines)
}

// Two outputs: what one has acknowledged stays for the other.
func TestEachOutputGetsEachLine(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	text, lines := numbered(0, 20000)
	p := newPipe(t, a, strings.NewReader(text))
	other := p.Outputs[0]
	other.Name, other.Conf.URL, other.Conf.State = "b", b.URL, t.TempDir()
	p.Outputs[0].Name = "a"
	p.Outputs = append(p.Outputs, other)
	b.away.Store(true)
	p.Drain = 300 * time.Millisecond
	if err := p.Run(t.Context()); !errors.Is(err, agent.ErrIncomplete) {
		t.Fatalf("error is %v, want that not everything was delivered", err)
	}
	want(t, a.got(), lines)
	if l := left(t, p); len(l) == 0 {
		t.Fatal("nothing is left for the output that is away")
	}
	b.away.Store(false)
	p.Input, p.Drain = strings.NewReader("last\n"), 20*time.Second
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, a.got(), append(slices.Clone(lines), "last"))
	want(t, b.got(), append(slices.Clone(lines), "last"))
	if l := left(t, p); len(l) > 0 {
		t.Errorf("files are left: %q", l)
	}
}

func TestOnlyWhatIsOnRecordAsAcknowledgedIsRemoved(t *testing.T) {
	r := newReceiver(t)
	p := newPipe(t, r, strings.NewReader("two\n"))
	s, err := openSpool(filepath.Join(p.State, "pipe"), p.Most)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("one\n")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.finish(), p.removeAcknowledged(s)); err != nil {
		t.Fatal(err)
	}
	s.close()
	if l := left(t, p); len(l) != 1 {
		t.Errorf("what nobody read is removed")
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, r.got(), []string{"one", "two"})
	if l := left(t, p); len(l) > 0 {
		t.Errorf("files are left: %q", l)
	}
}
