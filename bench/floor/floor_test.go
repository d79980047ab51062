package floor

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/bench/receive"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// What the floor encodes is a push like the one its plan was made from.
func TestSameEntriesAsThePlan(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.out"), []byte("one\ntwo\n\nfour\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fields := func(offset string, more ...string) logs.Labels {
		return logs.LabelsOf(append(more, "offset", offset)...)
	}
	stream := loki.Stream{
		Labels: logs.LabelsOf("job", "ray/logs"),
		Entries: []logs.Entry{
			{Time: 1_700_000_000_000_000_000, Line: "one", Metadata: fields("0", "detected_level", "info")},
			{Time: 1_700_000_000_000_000_100, Line: "two", Metadata: fields("4", "task_name", "load", "job_id", "01000000")},
			{Time: 1_700_000_000_000_000_200, Line: "", Metadata: fields("8")},
			{Time: 1_700_000_000_000_000_400, Line: "four", Metadata: fields("9", "detected_level", "info")},
		},
		Range: &loki.FileRange{To: 14, Generation: []byte{1}, Metadata: logs.LabelsOf("session", "", "pid", "7")},
	}
	p := &receive.FilePlan{Path: "a.out", Labels: stream.Labels.String(), Range: *stream.Range, First: stream.Entries[0].Time, Last: stream.Entries[3].Time, Lines: []uint32{0, 1, 2, 0}}
	for _, e := range stream.Entries[:3] {
		var tp receive.Template
		for _, l := range e.Metadata {
			switch {
			case l.Name < "offset":
				tp.Before = loki.AppendMetadata(tp.Before, l.Name, l.Value)
			case l.Name > "offset":
				tp.Behind = loki.AppendMetadata(tp.Behind, l.Name, l.Value)
			}
		}
		p.Templates = append(p.Templates, tp)
	}
	f := &floor{buf: make([]byte, chunkBytes)}
	if err := f.file(dir, p); err != nil {
		t.Fatal(err)
	}
	f.send()
	body, err := snappy.Decode(nil, f.packed)
	if err != nil {
		t.Fatal(err)
	}
	want := stream.Entries
	want[3].Time -= 100 // the floor's times are evenly spread
	if string(body) != string(loki.AppendPush(nil, &loki.Push{Streams: []loki.Stream{stream}})) {
		got, err := loki.DecodePush(body)
		t.Errorf("got %+v %v, want %+v", got, err, stream)
	}
	if f.Lines != 4 || f.Read != 14 || f.Bytes != int64(len(body)) {
		t.Errorf("counts are %+v", f.Result)
	}
}

func TestFollowReadsWhatFilesGrowBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "worker.out")
		if err := os.WriteFile(path, []byte("one\ntwo\nhalf a"), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		result := make(chan Result)
		go func() {
			r, err := Follow(ctx, dir, time.Second)
			if err != nil {
				t.Error(err)
			}
			result <- r
		}()
		time.Sleep(1500 * time.Millisecond) // of the bubble's clock, as the next: between two looks
		if err := os.WriteFile(path, []byte("one\ntwo\nhalf a line\n\nmore"), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		stop()
		if r := <-result; r.Lines != 4 || r.Read != int64(len("one\ntwo\nhalf a line\n\n")) || r.Bodies != 2 || r.Bytes < r.Read {
			t.Errorf("%+v", r)
		}
	})
}
