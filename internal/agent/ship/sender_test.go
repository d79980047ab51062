package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

type follower struct{ rewound int }

func (f *follower) Epoch() uint32 { return 0 }

// part is one part of a batch in a test: streams of one file.
type part []loki.Stream

func batchOf(t *testing.T, parts ...part) *pipeline.Batch {
	t.Helper()
	b := pipeline.NewBuilder(8<<20, 1)
	for i, streams := range parts {
		body := loki.AppendPush(nil, &loki.Push{Streams: streams})
		p := pipeline.Part{Follower: &follower{}, File: loki.FileID{byte(i + 1)}, From: 100, To: 200, Wire: parse.Loki}
		if len(streams) > 0 && streams[0].Range != nil {
			p.Wire = parse.Remora
		}
		if err := b.Add(t.Context(), p, len(body), func(dst []byte) []byte { return append(dst, body...) }); err != nil {
			t.Fatal(err)
		}
	}
	b.Flush()
	return <-b.Out()
}

// letters are what a sender buried.
type letters struct {
	lines  []string
	faults map[string]Fault
	parts  int
}

func (l *letters) bury(_ *pipeline.Part, body []byte, why error) error {
	var entry *EntryError
	if !errors.As(why, &entry) {
		l.parts++
		return nil
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		return err
	}
	for _, s := range p.Streams {
		for _, e := range s.Entries {
			l.lines = append(l.lines, e.Line)
			l.faults[e.Line] = entry.Fault
		}
	}
	return nil
}

func newSender(t *testing.T, o HTTP) (*Sender, *letters) {
	t.Helper()
	l := &letters{faults: map[string]Fault{}}
	return &Sender{
		Target: client(t, o), Logger: slog.New(slog.DiscardHandler), MinWait: time.Millisecond, MaxWait: 2 * time.Millisecond,
		Before: func(*pipeline.Batch) {}, Rewind: func(f pipeline.Follower) { f.(*follower).rewound++ },
		Bury: l.bury, Retrying: func(error) {},
	}, l
}

func deliver(t *testing.T, s *Sender, b *pipeline.Batch) Result {
	t.Helper()
	r, ok := s.deliver(t.Context(), b)
	if !ok {
		t.Fatal("not delivered")
	}
	return r
}

func lineOf(text string, at time.Time) logs.Entry { return logs.Entry{Time: at.UnixNano(), Line: text} }

func TestEveryAttemptIsToldAndTheSameBytesGoOut(t *testing.T) {
	var bodies []string
	codes := []int{503, 429, 401, 404, 307, 0, 200}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		_ = r.Write(&b)
		_, body, _ := strings.Cut(b.String(), "\r\n\r\n")
		bodies = append(bodies, body)
		code := codes[len(bodies)-1]
		switch code {
		case 0:
			panic(http.ErrAbortHandler)
		case 307:
			w.Header().Set("Location", "https://u:hunter2@login.example/path?token=hunter2")
		}
		w.WriteHeader(code)
	}))
	defer srv.Close()
	s, _ := newSender(t, HTTP{URL: srv.URL})
	var attempts []string
	s.Attempted = func(a Attempt) {
		attempts = append(attempts, a.Status)
		if a.Status == "307" && (!strings.Contains(a.Err.Error(), "https://login.example/path, which is not followed") || strings.Contains(a.Err.Error(), "hunter2")) {
			t.Errorf("a redirect is told as %v", a.Err)
		}
	}
	deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("a", "1"), Entries: []logs.Entry{lineOf("x", time.Now())}}}))
	if got, want := fmt.Sprint(attempts), "[503 429 401 404 307 none 200]"; got != want {
		t.Errorf("attempts %s, want %s", got, want)
	}
	if n := len(slices.Compact(bodies)); n != 1 {
		t.Errorf("%d different bodies went out", n)
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	var at []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if at = append(at, time.Now()); len(at) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	s, _ := newSender(t, HTTP{URL: srv.URL})
	deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("a", "1"), Entries: []logs.Entry{lineOf("x", time.Now())}}}))
	if got := at[1].Sub(at[0]); got < time.Second || got > 5*time.Second {
		t.Errorf("the next attempt came after %s, want a second", got)
	}
}

func TestAWaitingSenderEndsWithItsContext(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	s, _ := newSender(t, HTTP{URL: srv.URL})
	ctx, stop := context.WithCancel(t.Context())
	s.Retrying = func(error) { stop() }
	if _, ok := s.deliver(ctx, batchOf(t, part{{Labels: logs.LabelsOf("a", "1"), Entries: []logs.Entry{lineOf("x", time.Now())}}})); ok {
		t.Error("it says that the batch was answered")
	}
}

// TestRefusedFilesThatMakeNoSense: an answer that would move positions wrongly is
// not believed.
func TestRefusedFilesThatMakeNoSense(t *testing.T) {
	answers := []string{
		`{"files":[{"file":"09000000000000000000000000000000","committed":7}]}`,                   // not sent
		`{"files":[{"file":"01000000000000000000000000000000","committed":1152921504606846975}]}`, // beyond what was sent
		`{"files":[{"file":"01000000000000000000000000000000","committed":100}]}`,                 // it fits: why refuse it
		`{"files":[{"file":"01000000000000000000000000000000","committed":42}]}`,
	}
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, answers[n])
		n++
	}))
	defer srv.Close()
	s, _ := newSender(t, HTTP{URL: srv.URL})
	b := batchOf(t, part{{Labels: logs.LabelsOf("a", "1"), Range: &loki.FileRange{File: loki.FileID{1}, From: 100, To: 200}}})
	r := deliver(t, s, b)
	if n != len(answers) || len(r.Refused) != 1 || r.Refused[loki.FileID{1}] != 42 || b.Parts[0].Follower.(*follower).rewound != 1 {
		t.Errorf("%d answers, refused %v", n, r.Refused)
	}
}

func TestAPartThatOurServerRefusesIsBuriedAlone(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		packed := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(packed)
		if body, _ := s2.Decode(nil, packed); strings.Contains(string(body), "poison") {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	s, l := newSender(t, HTTP{URL: srv.URL})
	of := func(file byte, line string) part {
		return part{{Labels: logs.LabelsOf("a", "1"), Entries: []logs.Entry{{Time: 1, Line: line}}, Range: &loki.FileRange{File: loki.FileID{file}, From: 100, To: 200}}}
	}
	r := deliver(t, s, batchOf(t, of(1, "good"), of(2, "poison"), of(3, "good")))
	if _, dead := r.Dead[loki.FileID{2}]; !dead || len(r.Dead) != 1 || l.parts != 1 || r.Buried != 0 {
		t.Errorf("dead %v, %d parts kept", r.Dead, l.parts)
	}
}

// scripted is a target that gives answers in turn, then takes everything.
type scripted struct {
	answers []Answer
	lines   []string // taken
}

func (s *scripted) Push(_ context.Context, body []byte) Answer {
	if len(s.answers) > 0 {
		a := s.answers[0]
		s.answers = s.answers[1:]
		return a
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		return Answer{Kind: KindReject, Err: err}
	}
	for _, st := range p.Streams {
		for _, e := range st.Entries {
			s.lines = append(s.lines, e.Line)
		}
	}
	return Answer{}
}

func (s *scripted) Offsets(context.Context, loki.OffsetsRequest) (r loki.OffsetsResponse, w parse.Wire, err error) {
	return r, parse.Loki, nil
}

// bodies is a target that takes everything.
type bodies struct{ all []string }

func (b *bodies) Push(_ context.Context, body []byte) Answer {
	b.all = append(b.all, string(body))
	return Answer{}
}

func (b *bodies) Offsets(context.Context, loki.OffsetsRequest) (r loki.OffsetsResponse, w parse.Wire, err error) {
	return r, parse.Remora, nil
}

// TestALogSaysOnceThatAServerIsAway: a server that comes and goes does not fill it.
func TestALogSaysOnceThatAServerIsAway(t *testing.T) {
	var told strings.Builder
	s, _ := newSender(t, HTTP{URL: "http://127.0.0.1:1"})
	s.Logger = slog.New(slog.NewTextHandler(&told, nil))
	refused := Answer{Kind: KindRetry, Status: http.StatusForbidden, Err: &StatusError{Code: http.StatusForbidden}}
	target := &scripted{}
	s.Target = target
	for range 5 {
		target.answers = []Answer{refused, refused, refused}
		deliver(t, s, batchOf(t, part{{Labels: logs.LabelsOf("a", "1"), Entries: []logs.Entry{lineOf("x", time.Now())}}}))
	}
	text := told.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "check the credentials and the tenant") || strings.Count(text, "takes lines again") != 1 {
		t.Errorf("told:\n%s", text)
	}
}
