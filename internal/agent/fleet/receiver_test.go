package fleet

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// receiver is a server that keeps the rule of offsets and every line it stored, a
// line as often as it was stored.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu    sync.Mutex
	away  bool
	files map[loki.FileID]*loki.FileOffsets
	rows  []row
}

type row struct {
	line   string
	labels logs.Labels
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, files: map[loki.FileID]*loki.FileOffsets{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/push", r.push)
	mux.HandleFunc("POST "+loki.PathOffsets, r.offsets)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) push(w http.ResponseWriter, req *http.Request) {
	packed, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	body, err := s2.Decode(nil, packed)
	if err != nil {
		r.t.Errorf("body: %v", err)
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		r.t.Errorf("push: %v", err)
		return
	}
	for _, s := range p.Streams {
		f := r.files[s.Range.File]
		if f == nil {
			f = &loki.FileOffsets{File: s.Range.File}
			r.files[s.Range.File] = f
		}
		if s.Range.From != f.Committed {
			r.t.Errorf("a range begins at %d, the file stands at %d", s.Range.From, f.Committed)
		}
		f.Committed = s.Range.To
		if g := s.Range.Generation; len(f.Generations) == 0 && len(g) > 0 {
			f.Generations = append(f.Generations, loki.Generation{Fingerprint: g, Base: s.Range.From})
		}
		for _, e := range s.Entries {
			r.rows = append(r.rows, row{e.Line, s.Labels})
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) offsets(w http.ResponseWriter, req *http.Request) {
	var q loki.OffsetsRequest
	if err := json.NewDecoder(req.Body).Decode(&q); err != nil {
		r.t.Errorf("offsets: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := loki.OffsetsResponse{Files: []loki.FileOffsets{}}
	for _, id := range q.Files {
		if f := r.files[id]; f != nil {
			a.Files = append(a.Files, *f)
		} else {
			a.Files = append(a.Files, loki.FileOffsets{File: id})
		}
	}
	_ = json.NewEncoder(w).Encode(a)
}

// lines are those stored, in order.
func (r *receiver) lines() (all []string) {
	for _, x := range r.stored() {
		all = append(all, x.line)
	}
	return all
}

func (r *receiver) stored() []row {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows)
}

func (r *receiver) setAway(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}
