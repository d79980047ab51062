package ship

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// manyTenants keeps what it gets by tenant, and lets nobody in as "locked".
type manyTenants struct {
	*httptest.Server
	mu     sync.Mutex
	order  []string // tenants of the pushes
	lines  map[string][]string
	ranges map[string][]loki.FileRange
}

func newManyTenants(t *testing.T) *manyTenants {
	m := &manyTenants{lines: map[string][]string{}, ranges: map[string][]loki.FileRange{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant := r.Header.Get("X-Scope-OrgID")
		b, _ := io.ReadAll(r.Body)
		if tenant == "locked" {
			http.Error(w, "not yours", http.StatusForbidden)
			return
		}
		if r.URL.Path == loki.PathOffsets {
			_ = json.NewEncoder(w).Encode(loki.OffsetsResponse{Files: []loki.FileOffsets{{Committed: uint64(len(tenant))}}})
			return
		}
		body, err := s2.Decode(nil, b)
		if err != nil {
			t.Error(err)
		}
		p, err := loki.DecodePush(body)
		if err != nil {
			t.Error(err)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.order = append(m.order, tenant)
		for _, s := range p.Streams {
			for _, e := range s.Entries {
				m.lines[tenant] = append(m.lines[tenant], s.Labels.String()+" "+e.Line)
			}
			if s.Range != nil && (len(m.ranges[tenant]) == 0 || m.ranges[tenant][len(m.ranges[tenant])-1].File != s.Range.File) {
				m.ranges[tenant] = append(m.ranges[tenant], *s.Range)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(m.Close)
	return m
}

func of(team, line string) logs.Entry {
	e := lineOf(line, time.Unix(1, 0))
	if team != "" {
		e.Metadata = logs.LabelsOf("team", team)
	}
	return e
}

func fileRange(file byte, metadata ...string) *loki.FileRange {
	return &loki.FileRange{File: loki.FileID{file}, From: 100, To: 200, Generation: []byte("g"), Gap: "why", Metadata: logs.LabelsOf(metadata...)}
}

// Each tenant gets its lines, who keeps the place of a file gets its ranges too, and
// after the others.
func TestLinesGoToTheirTenants(t *testing.T) {
	m := newManyTenants(t)
	s, _ := newSender(t, HTTP{URL: m.URL, Tenant: "main", TenantFrom: "team"})
	app := logs.LabelsOf("app", "x")
	b := batchOf(
		t,
		part{
			{Labels: app, Entries: []logs.Entry{of("", "one"), of("red", "two"), of("no/tenant", "three")}, Range: fileRange(1)},
			{Labels: logs.LabelsOf("app", "y"), Entries: []logs.Entry{of("blue", "four")}, Range: fileRange(1, "team", "red")},
		},
		part{{Labels: app, Entries: []logs.Entry{of("", "five")}, Range: fileRange(2, "team", "red")}},
		part{{Labels: logs.LabelsOf("team", "blue"), Entries: []logs.Entry{of("", "six")}, Range: fileRange(3)}},
	)
	b.Parts[2].Tenant = "blue" // of its pod
	if r := deliver(t, s, b); r.Buried != 0 || len(r.Refused)+len(r.Dead) > 0 {
		t.Errorf("%+v", r)
	}
	want := map[string][]string{
		"main": {`{app="x"} one`, `{app="x"} three`},
		"red":  {`{app="x"} two`, `{app="x"} five`},
		"blue": {`{app="y"} four`, `{team="blue"} six`},
	}
	if d := cmp.Diff(want, m.lines); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	slices.Sort(m.order[:2])
	if d := cmp.Diff([]string{"blue", "red", "main", "blue"}, m.order); d != "" {
		t.Errorf("pushes (-want +got):\n%s", d)
	}
	guest := func(file byte, metadata ...string) loki.FileRange {
		return loki.FileRange{File: loki.FileID{file}, Generation: []byte{}, To: 200, Metadata: logs.LabelsOf(metadata...)}
	}
	ranges := map[string][]loki.FileRange{
		"main": {*fileRange(1), *fileRange(2, "team", "red")},
		"red":  {guest(1), guest(2, "team", "red")},
		"blue": {guest(1, "team", "red"), *fileRange(3)},
	}
	if d := cmp.Diff(ranges, m.ranges); d != "" {
		t.Errorf("ranges (-want +got):\n%s", d)
	}
}

func TestLinesGoToTheirTenantsOfALoki(t *testing.T) {
	m := newManyTenants(t)
	s, _ := newSender(t, HTTP{URL: m.URL, TenantFrom: "team"})
	app := logs.LabelsOf("app", "x")
	b := batchOf(
		t,
		part{{Labels: app, Entries: []logs.Entry{of("", "one"), of("red", "two")}}},
		part{{Labels: app, Entries: []logs.Entry{of("red", "three")}}},
		part{{Labels: app, Entries: []logs.Entry{of("", "four")}}},
	)
	b.Parts[2].Tenant = "blue"
	deliver(t, s, b)
	want := map[string][]string{"": {`{app="x"} one`}, "red": {`{app="x"} two`, `{app="x"} three`}, "blue": {`{app="x"} four`}}
	if d := cmp.Diff(want, m.lines); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A tenant that the server does not let in keeps nobody else waiting.
func TestATenantThatIsNotLetIn(t *testing.T) {
	for name, rng := range map[string]*loki.FileRange{"remora": fileRange(1), "loki": nil} {
		t.Run(name, func(t *testing.T) {
			m := newManyTenants(t)
			s, dead := newSender(t, HTTP{URL: m.URL, TenantFrom: "team"})
			s.KnockFor = time.Millisecond
			for _, line := range []string{"one", "two"} {
				b := batchOf(t, part{{Labels: logs.LabelsOf("app", "x"), Entries: []logs.Entry{of("", line), of("locked", "mine "+line)}, Range: rng}})
				if r := deliver(t, s, b); r.Buried != 1 || len(r.Dead)+len(r.Refused) > 0 {
					t.Errorf("%+v", r)
				}
			}
			if d := cmp.Diff([]string{`{app="x"} one`, `{app="x"} two`}, m.lines[""]); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff([]string{"mine one", "mine two"}, dead.lines); d != "" || dead.faults["mine one"] != FaultTenant {
				t.Errorf("kept, %v (-want +got):\n%s", dead.faults, d)
			}
		})
	}
}

func TestOffsetsAreAskedAsATenant(t *testing.T) {
	m := newManyTenants(t)
	c := client(t, HTTP{URL: m.URL, Tenant: "main"})
	for tenant, want := range map[string]uint64{"": 4, "somebody": 8} {
		if r, _, err := c.OffsetsAs(t.Context(), tenant, loki.OffsetsRequest{}); err != nil || r.Files[0].Committed != want {
			t.Errorf("as %q: %+v %v", tenant, r, err)
		}
	}
}

func TestNamesOfTenants(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "team-a_1.(x)": true, "": false, "..": false, "a/b": false, "a|b": false, "a b": false, "ä": false, "a\n": false} {
		if ValidTenant(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
