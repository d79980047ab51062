package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// receiver is a server that keeps the rule of offsets: per file, what is there
// already is done, what begins after what is there is refused unless a gap is
// told. It keeps every entry that it stored.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	files  map[loki.FileID]*received
	pushes int
	// break_, if set, is asked before (stored false) and after (stored true) a push
	// is applied; a status other than 0 is answered, -1 breaks the connection.
	break_ func(n int, stored bool) int
	gate   chan struct{} // pushes wait for it to be closed
	waits  int           // pushes that wait
	asks   int           // requests for offsets
	reject string        // answer 400 to a push with a line that holds this
	isLoki bool
	bodies [][]byte // of a Loki
}

type received struct {
	committed uint64
	gens      []loki.Generation
	entries   []entry
	gaps      []string
}

type entry struct {
	offset uint64
	time   int64
	line   string
	labels logs.Labels
	meta   logs.Labels
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, files: map[loki.FileID]*received{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/push", r.push)
	mux.HandleFunc("POST "+loki.PathOffsets, r.offsets)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

// on sets what breaks; nil mends it.
func (r *receiver) on(f func(n int, stored bool) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.break_ = f
}

func (r *receiver) broken(w http.ResponseWriter, stored bool) bool {
	if r.break_ == nil {
		return false
	}
	switch code := r.break_(r.pushes, stored); code {
	case 0:
		return false
	case -1:
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	default:
		http.Error(w, "broken on purpose", code)
	}
	return true
}

func (r *receiver) push(w http.ResponseWriter, req *http.Request) {
	packed, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if gate := r.gate; gate != nil {
		r.waits++
		r.mu.Unlock()
		<-gate
		r.mu.Lock()
		r.waits--
	}
	r.pushes++
	if r.broken(w, false) {
		return
	}
	body, err := s2.Decode(nil, packed)
	if err != nil {
		r.t.Errorf("body is not snappy: %v", err)
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		r.t.Errorf("body is not a push: %v", err)
		return
	}
	if r.rejects(p) {
		http.Error(w, "a line is not to our taste", http.StatusBadRequest)
		return
	}
	if r.isLoki {
		r.bodies = append(r.bodies, body)
	}
	refused := r.apply(p)
	if r.broken(w, true) {
		return
	}
	if len(refused) > 0 {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(loki.Refused{Files: refused})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) rejects(p *loki.Push) bool {
	for _, s := range p.Streams {
		for _, e := range s.Entries {
			if r.reject != "" && strings.Contains(e.Line, r.reject) {
				return true
			}
		}
	}
	return false
}

func (r *receiver) apply(p *loki.Push) (refused []loki.FileOffset) {
	for i := range p.Streams {
		s := &p.Streams[i]
		id, rng := loki.FileID{}, s.Range
		if rng != nil {
			id = rng.File
		} else if !r.isLoki {
			r.t.Error("a stream without a range")
		}
		f := r.files[id]
		if f == nil {
			f = &received{}
			r.files[id] = f
		}
		if rng == nil {
			f.add(s, 0)
			continue
		}
		switch {
		case rng.To <= f.committed && rng.To > 0:
			continue
		case rng.From > f.committed && rng.Gap == "":
			refused = append(refused, loki.FileOffset{File: id, Committed: f.committed})
			continue
		case rng.Gap != "":
			f.gaps = append(f.gaps, fmt.Sprintf("%s %d-%d", rng.Gap, f.committed, rng.From))
		}
		if len(rng.Generation) > 0 && !slices.ContainsFunc(f.gens, func(g loki.Generation) bool { return string(g.Fingerprint) == string(rng.Generation) }) {
			f.gens = append(f.gens, loki.Generation{Fingerprint: rng.Generation, Base: rng.From})
		}
		f.add(s, f.committed)
		f.committed = rng.To
	}
	return refused
}

func (f *received) add(s *loki.Stream, from uint64) {
	for _, e := range s.Entries {
		at, _ := strconv.ParseUint(e.Metadata.Get("offset"), 10, 64)
		if at < from {
			continue
		}
		meta := e.Metadata
		if s.Range != nil {
			meta = logs.Normalize(slices.Concat(s.Range.Metadata, e.Metadata))
		}
		f.entries = append(f.entries, entry{at, e.Time, e.Line, s.Labels, meta})
	}
}

func (r *receiver) offsets(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isLoki {
		http.NotFound(w, req)
		return
	}
	defer func() { r.asks++ }()
	if r.broken(w, false) {
		return
	}
	var q loki.OffsetsRequest
	if err := json.NewDecoder(req.Body).Decode(&q); err != nil {
		r.t.Errorf("offsets: %v", err)
	}
	var a loki.OffsetsResponse
	for _, id := range q.Files {
		o := loki.FileOffsets{File: id}
		if f := r.files[id]; f != nil {
			o.Committed, o.Generations = f.committed, f.gens
		}
		a.Files = append(a.Files, o)
	}
	for id, f := range r.files {
		if o, ok := f.holding(id, q.Generations); ok {
			a.Found = append(a.Found, o)
		}
	}
	_ = json.NewEncoder(w).Encode(a)
}

// holding answers for a file if it has one of the generations: its first and those.
func (f *received) holding(id loki.FileID, asked [][]byte) (o loki.FileOffsets, ok bool) {
	o = loki.FileOffsets{File: id, Committed: f.committed}
	for i, g := range f.gens {
		k, _, _, _ := loki.ReadFingerprint(g.Fingerprint)
		this := slices.ContainsFunc(asked, func(p []byte) bool {
			of, _, _, is := loki.ReadFingerprint(p)
			return is && of == k
		})
		if ok = ok || this; i == 0 || this {
			o.Generations = append(o.Generations, g)
		}
	}
	return o, ok
}

// rows are the stored entries of a file by its name, in the order stored, over all
// identities it had.
func (r *receiver) rows(session, filename string) (all []entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		for _, e := range f.entries {
			if e.meta.Get("session") == session && e.meta.Get("filename") == filename {
				all = append(all, e)
			}
		}
	}
	return all
}

func (r *receiver) lines(session, filename string) (out []string) {
	for _, e := range r.rows(session, filename) {
		out = append(out, e.line)
	}
	return out
}

// hold makes pushes wait, even if their client goes, until it is released.
func (r *receiver) hold() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := make(chan struct{})
	r.gate = gate
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gate = nil
		close(gate)
	})
}

func (r *receiver) held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waits
}

func (r *receiver) questions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asks
}

func (r *receiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pushes
}

func (r *receiver) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		n += len(f.entries)
	}
	return n
}

func (r *receiver) gaps() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		all = append(all, f.gaps...)
	}
	return all
}
