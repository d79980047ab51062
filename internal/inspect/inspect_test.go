package inspect

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/archive"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

const corpus = "../../testdata/corpus"

// recorded is what a recording's truth.json says.
type recorded struct {
	RayVersion string   `json:"ray_version"`
	Session    string   `json:"session"`
	Sessions   []string `json:"sessions"`
	Actors     []struct {
		ID    string `json:"actor_id"`
		Class string `json:"class_name"`
		Job   string `json:"job_id"`
		PID   int    `json:"pid"`
	} `json:"actors"`
	Jobs []struct {
		ID           string `json:"job_id"`
		SubmissionID string `json:"submission_id"`
		Status       string `json:"status"`
		Type         string `json:"type"`
	} `json:"jobs"`
}

func TestEveryRecording(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(corpus, "*", "*.tar.zst"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no recordings in %s: %v", corpus, err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	for _, dir := range slices.Compact(dirs) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			s, err := Paths([]string{dir}, archive.Options{TempDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.WriteText(&bytes.Buffer{}, TextOptions{All: true}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, "truth.json"))
			if err != nil {
				if !strings.HasPrefix(filepath.Base(dir), "k8s-") {
					t.Fatal(err)
				}
				return
			}
			var truth recorded
			if err := json.Unmarshal(data, &truth); err != nil {
				t.Fatal(err)
			}
			compare(t, s, &truth)
		})
	}
}

// compare looks for what Ray itself has said about the session that was recorded last.
func compare(t *testing.T, s *Summary, truth *recorded) {
	t.Helper()
	i := slices.IndexFunc(s.Sessions, func(o Session) bool { return o.Name == truth.Session })
	if i < 0 {
		if truth.Session != "" {
			t.Fatalf("session %s is not in the summary", truth.Session)
		}
		return
	}
	got := s.Sessions[i]
	hasHead, begins := false, false
	for _, c := range got.Components {
		hasHead = hasHead || c.Name == "gcs"
		begins = begins || c.Name == "gcs" && c.Rotated == 0 // the first line names the version
	}
	if (begins || got.RayVersion != "") && got.RayVersion != truth.RayVersion {
		t.Errorf("Ray version %q, want %q", got.RayVersion, truth.RayVersion)
	}
	if !hasHead { // RAY_LOG_TO_STDERR: the files hold nothing
		return
	}
	for _, a := range truth.Actors {
		j := slices.IndexFunc(got.Actors, func(o Actor) bool { return o.ID == a.ID })
		if a.PID == 0 {
			continue // it never had a process
		}
		if j < 0 {
			t.Errorf("actor %s (%s, pid %d) is not in the summary", a.ID, a.Class, a.PID)
			continue
		}
		if have := got.Actors[j]; have.JobID != a.Job || (have.Name != "" && have.Name != a.Class) {
			t.Errorf("actor %s is %q of job %s, want %q of %s", a.ID, have.Name, have.JobID, a.Class, a.Job)
		}
	}
	for _, j := range truth.Jobs {
		if j.ID != "" && !slices.ContainsFunc(got.Jobs, func(o Job) bool { return o.ID == j.ID }) {
			t.Errorf("job %s is not in the summary", j.ID)
		}
		if j.SubmissionID == "" {
			continue
		}
		k := slices.IndexFunc(got.Submitted, func(o Submitted) bool { return o.ID == j.SubmissionID })
		if k < 0 {
			t.Errorf("submitted job %s is not in the summary", j.SubmissionID)
		} else if have := got.Submitted[k].Status; have != "" && have != j.Status {
			t.Errorf("submitted job %s has status %s, want %s", j.SubmissionID, have, j.Status)
		}
	}
}

// TestText compares what people see with golden files; go test -rewrite writes them.
func TestText(t *testing.T) {
	for _, name := range []string{"jobs", "nodedeath", "restart"} {
		s, err := Paths([]string{filepath.Join(corpus, name)}, archive.Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := s.WriteText(&b, TextOptions{Width: 120}); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".txt")
		if *rewrite {
			if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got; -rewrite writes it anew):\n%s", golden, diff)
		}
	}
}

func TestSameErrorsAreOneKind(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"worker 2ab355b0 died after 3 s", "worker 763832ac died after 17 s"},
		{"Task 16310a0f0a45af5cffff failed", "Task c8ef45ccd0112571ffff failed"},
	} {
		if pattern(c.a) != pattern(c.b) {
			t.Errorf("%q and %q are %q and %q", c.a, c.b, pattern(c.a), pattern(c.b))
		}
	}
	if pattern("disk full") == pattern("disk empty") {
		t.Error("different words are one kind")
	}
}
