package server_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
)

func (m *memoryStore) Holding(context.Context, string, [][]byte) ([]loki.FileOffsets, error) {
	return nil, m.readErr
}

func TestOffsetsRequests(t *testing.T) {
	r := start(t, withLimits(server.Limits{OffsetFiles: 2, OffsetGenerations: 2}))
	const path, id = "/api/remora/v1/offsets", `"00000000000000000000000000000001"`
	r.do("POST", path, []byte(`{"files":[]}`)).want(t, 200, `{"files":[]}`)
	r.do("POST", path, []byte(`{"files":["xyz"]}`)).want(t, 400, "32 hex digits")
	r.do("POST", path, []byte(`[`)).want(t, 400, "read request")
	r.do("POST", path, nil).want(t, 400, "read request")
	r.do("POST", path, []byte(`{"files":[`+id+`,`+id+`,`+id+`]}`)).want(t, 413, "asked about 3 files, at most 2")
	r.do("POST", path, []byte(`{"files":[],"generations":["AQ==","AQ==","AQ=="]}`)).want(t, 413, "asked about 3 generations, at most 2")
	r.do("POST", path, []byte(`{"files":[],"generations":["?"]}`)).want(t, 400, "base64")
	r.do("POST", path, []byte(strings.Repeat(" ", 5000))).want(t, 413, "larger than")
}

// An agent without state asks by what its files are: it learns which file they
// belong to, where that is committed and where they begin in it.
func TestOffsetsByGeneration(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	print := func(inode uint64, hashed uint16) []byte {
		return loki.GenerationKey{Birth: 1_760_000_000_000_000_000, Inode: inode}.Fingerprint(hashed, 7)
	}
	part := func(file byte, from, to uint64, generation []byte) loki.Stream {
		return loki.Stream{
			Labels: logs.LabelsOf("job", "ray/logs"),
			Range:  &loki.FileRange{File: loki.FileID{file}, From: from, To: to, Generation: generation},
		}
	}
	r.push(part(1, 0, 10, print(11, 5)), part(2, 0, 7, print(21, 5))).want(t, 204)
	r.push(part(1, 10, 30, print(12, 5))).want(t, 204)
	r.push(part(1, 30, 40, print(13, 5))).want(t, 204)
	ask := func(tenant string, generations ...[]byte) (resp loki.OffsetsResponse) {
		body, err := json.Marshal(loki.OffsetsRequest{Generations: generations})
		if err != nil {
			t.Fatal(err)
		}
		got := r.do("POST", loki.PathOffsets, body, "X-Scope-OrgID", tenant)
		got.want(t, 200)
		if err := json.Unmarshal([]byte(got.body), &resp); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	// The file was shorter when its range was sent: another hash, the same file.
	want := []loki.FileOffsets{{
		File: loki.FileID{1}, Committed: 40,
		Generations: []loki.Generation{{Fingerprint: print(11, 5)}, {Fingerprint: print(12, 5), Base: 10}},
	}}
	if d := cmp.Diff(want, ask("fake", print(12, 900), print(12, 5), print(99, 5), []byte("no fingerprint")).Found); d != "" {
		t.Errorf("found differs (-want +got):\n%s", d)
	}
	if got := ask("other", print(12, 5)).Found; len(got) > 0 {
		t.Errorf("another tenant learns of %v", got)
	}
}
