package cli

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

const (
	exportSession = "session_2026-11-21_12-19-07_088365_18"
	nodeA         = "d55ed5805ec37fd8c1a0a3f05a93d3113c8ad0d418b58f004dbe8fec"
	nodeB         = "a55ed5805ec37fd8c1a0a3f05a93d3113c8ad0d418b58f004dbe8fec"
)

// exportedLine is a line of a file as a server answers it; more are names and
// values of metadata.
func exportedLine(at int64, name string, offset int, text string, more ...string) client.Line {
	return client.Line{
		Time: at, Line: text, Stream: logs.LabelsOf("component", "raylet", "node_type", "head"),
		Metadata: logs.LabelsOf(append([]string{"filename", name, "offset", fmt.Sprint(offset)}, more...)...),
	}
}

// exported writes lines as an archive and returns where it is and what is in it.
func exported(t *testing.T, lines ...client.Line) (string, map[string]string, exportSummary) {
	t.Helper()
	x, err := newExport(exportSession)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	for i := range lines { // one by one, and now and then to the temporary file
		if err := x.collect(lines[i : i+1]); err != nil {
			t.Fatal(err)
		}
		if i%3 == 2 {
			if err := x.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "session.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tw := tar.NewWriter(f)
	s, err := x.writeTo(context.Background(), tw)
	if err = errors.Join(err, tw.Close()); err != nil {
		t.Fatal(err)
	}
	return path, readTar(t, path), s
}

func readTar(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := make(map[string]string)
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(text)
	}
}

// Lines come in order of time and are put back in the order of the file.
func TestAFileIsWrittenBackAsItWas(t *testing.T) {
	_, files, s := exported(t,
		exportedLine(1, "raylet.out", 0, "one"),
		exportedLine(2, "raylet.out", 9, "three", "node_id", nodeA),
		exportedLine(2, "gcs_server.out", 0, "other", "node_id", nodeA),
		exportedLine(3, "raylet.out", 4, "", "node_id", nodeA),
		exportedLine(3, "raylet.out", 5, "two", "node_id", nodeA),
		exportedLine(4, "raylet.out", 15, "long-", "node_id", nodeA, "split", "1"),
		exportedLine(4, "raylet.out", 20, "line", "node_id", nodeA, "split", "2"),
		exportedLine(5, "raylet.out", 30, "behind a gap\r", "node_id", nodeA),
		exportedLine(6, "raylet.out", 30, "again", "node_id", nodeA),
		exportedLine(6, "../../etc/passwd", 0, "elsewhere", "node_id", nodeA),
		client.Line{Time: 7, Line: "of no place", Metadata: logs.LabelsOf("filename", "raylet.out", "node_id", nodeA)},
	)
	want := map[string]string{
		exportSession + "/gcs_server_port_" + nodeA: "",
		exportSession + "/logs/raylet.out":          "one\n\ntwo\nthree\nlong-line\nbehind a gap\r\n",
		exportSession + "/logs/gcs_server.out":      "other\n",
	}
	if d := cmp.Diff(want, files); d != "" {
		t.Errorf("archive (-want +got):\n%s", d)
	}
	if d := cmp.Diff(exportSummary{Session: exportSession, Nodes: 1, Files: 2, Lines: 8, Bytes: 45, Missing: 5, Twice: 1}, s); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
}

// An archive of several nodes is opened as the nodes that it was.
func TestAnExportOfSeveralNodesIsReadAsSuch(t *testing.T) {
	path, _, s := exported(t,
		exportedLine(1, "raylet.out", 0, "of a", "pod", "pod-a", "node_id", nodeA),
		exportedLine(2, "raylet.out", 0, "of b", "pod", "pod-b", "node_id", nodeB),
		exportedLine(3, "gcs_server.out", 0, "of a only"),
	)
	if s.Nodes != 3 {
		t.Errorf("summary %+v", s)
	}
	a, err := archive.Open([]string{path}, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	got := make(map[string][]string)
	for _, n := range a.Nodes() {
		for _, session := range n.Sessions {
			got[n.Name] = append(got[n.Name], session.NodeIDs...)
			for _, st := range session.Streams {
				if err := st.Lines(func(_ int64, line []byte) error {
					got[n.Name] = append(got[n.Name], st.File.Stream+": "+string(line))
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := map[string][]string{
		"pod-a":   {nodeA, "raylet.out: of a"},
		"pod-b":   {nodeB, "raylet.out: of b"},
		"unnamed": {"gcs_server.out: of a only"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("nodes (-want +got):\n%s", d)
	}
}
