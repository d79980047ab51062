package loki

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"

	"github.com/remora-ray/remora/internal/logs"
)

// encodeByPieces builds a push with the encoder a sender uses.
func encodeByPieces(p *Push) []byte {
	var out []byte
	for i := range p.Streams {
		s := &p.Streams[i]
		var entries, meta []byte
		for _, e := range s.Entries {
			meta = meta[:0]
			for _, l := range e.Metadata {
				meta = AppendMetadata(meta, l.Name, l.Value)
			}
			entries = AppendEntry(entries, e.Time, []byte(e.Line), meta)
		}
		out = AppendStream(out, s.Labels.String(), entries, s.Range)
	}
	return out
}

func randomPush(r *rand.Rand) *Push {
	text := func(n int) string {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = byte(r.UintN(256))
		}
		return string(b)
	}
	p := &Push{}
	for range r.IntN(4) {
		s := Stream{Labels: logs.LabelsOf("job", "ray/logs", "component", "c"+text(200))}
		for range r.IntN(20) {
			e := logs.Entry{Time: r.Int64N(4e18) - 1e18, Line: text(400)}
			if r.IntN(2) == 0 {
				e.Metadata = logs.LabelsOf("offset", "17", "x", "v"+text(300))
			}
			s.Entries = append(s.Entries, e)
		}
		if r.IntN(2) == 0 {
			s.Range = &FileRange{
				File: FileID{1, byte(r.UintN(256))}, Generation: []byte(text(65)), From: r.Uint64N(1 << 40), Gap: text(30), GapTime: r.Int64N(2) * r.Int64(),
				Metadata: logs.LabelsOf("filename", "worker.out", "session", "s"+text(200)),
			}
			s.Range.To = s.Range.From + r.Uint64N(1<<30)
		}
		p.Streams = append(p.Streams, s)
	}
	return p
}

func TestPiecesAreAppendPush(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		p := randomPush(r)
		got, want := encodeByPieces(p), AppendPush(nil, p)
		if !bytes.Equal(got, want) {
			t.Fatalf("push %d: %d bytes in pieces, %d at once", i, len(got), len(want))
		}
		back, err := DecodePush(got)
		if err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
		if len(p.Streams) != len(back.Streams) {
			t.Fatalf("push %d: %d streams, want %d", i, len(back.Streams), len(p.Streams))
		}
	}
}

func TestLokiReadsPieces(t *testing.T) {
	p := &Push{Streams: []Stream{{
		Labels: logs.LabelsOf("job", "ray/logs"),
		Entries: []logs.Entry{
			{Time: 1_700_000_000_123_456_789, Line: "one", Metadata: logs.LabelsOf("offset", "0", "pid", "7")},
			{Time: 0, Line: ""},
		},
		Range: &FileRange{To: 4},
	}}}
	var got push.PushRequest
	if err := got.Unmarshal(encodeByPieces(p)); err != nil {
		t.Fatal(err)
	}
	want := []push.Entry{
		{
			Timestamp: time.Unix(0, 1_700_000_000_123_456_789).UTC(), Line: "one",
			StructuredMetadata: push.LabelsAdapter{{Name: "offset", Value: "0"}, {Name: "pid", Value: "7"}},
		},
		{Timestamp: time.Unix(0, 0).UTC()},
	}
	if d := cmp.Diff(want, got.Streams[0].Entries); d != "" || got.Streams[0].Labels != `{job="ray/logs"}` {
		t.Errorf("labels %s, entries differ (-want +got):\n%s", got.Streams[0].Labels, d)
	}
}

func TestOffsetIsMetadata(t *testing.T) {
	for _, at := range []uint64{0, 9, 10, 99, 100, 999, 1000, 12345, 1 << 40, 1<<64 - 1} {
		got, want := AppendOffset(nil, at), AppendMetadata(nil, MetadataOffset, strconv.FormatUint(at, 10))
		if !bytes.Equal(got, want) || len(got) != OffsetLen(at) {
			t.Errorf("offset %d: %x of %d bytes, want %x", at, got, OffsetLen(at), want)
		}
	}
}
