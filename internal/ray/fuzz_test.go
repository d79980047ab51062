package ray

import (
	"bytes"
	"testing"
)

// FuzzParserLine reads any bytes as a file of any kind: nothing panics, and a
// parser that goes on from a saved state says the same as one never interrupted.
func FuzzParserLine(f *testing.F) {
	paths := []string{
		"worker-" + testWorker + "-ffffffff-793.out", "worker-" + testWorker + "-ffffffff-793.out.2", "raylet.out", "raylet.err",
		"dashboard.log", "job-driver-s1.log", "serve/replica_shop_Price_4oos3ic5.log", "events/event_GCS.log",
		"export_events/event_EXPORT_TASK_1.log", "events/event_JOBS.log", "gcs_server.out", "python-core-worker-" + testWorker + "_793.log", "container.log", "other.txt",
	}
	for _, text := range []string{
		":job_id:01000000\n:task_name:f\nx\n:actor_name:A\n",
		"[2026-11-21 05:06:02,123 E 793 1] (raylet) x.cc:1: a\n\tb\n",
		"2026-11-21 05:06:02,123\tINFO a.py:1 -- x job_id=01000000 worker_id=" + testWorker + " node_id=" + testNode + " timestamp_ns=1\n",
		structured("01000000", testWorker, testActor, testCall),
		"INFO 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 r -- m\n", "E1121 05:43:37.742374091 11 a.cc:1] x\n",
		"Traceback (most recent call last):\n  a\nE: x\n\nDuring handling of the above exception, another exception occurred:\n",
		"----- BEGIN a tail\nx\n----- END a\n\x1b[36m(part pid=417)\x1b[0m text\n(raylet) a\n",
		`{"timestamp":1,"custom_fields":{"job_id":"` + "\n" + `{"a":"\\\"","b":[{}`, "{\"levelname\":\"I\",\"asctime\":\"2026-11-21 05:06:02\"}",
	} {
		for i := range paths {
			f.Add(uint8(i), uint8(1), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, which, cut uint8, text []byte) {
		file := ParsePath(paths[int(which)%len(paths)])
		if file.Path == "container.log" {
			file.Component, file.Format = ComponentContainer, FormatContainer
		}
		c := Context{Session: testSession}
		p := NewParser(file, c)
		lines := bytes.Split(text, []byte("\n"))
		q := NewParser(file, c)
		index, tasks, drivers := NewIndex(), NewTasks(), NewDrivers()
		index.File(file)
		tasks.File(file)
		drivers.File("head", file)
		for i, line := range lines {
			if i == int(cut)%len(lines) {
				state := q.AppendState(nil)
				q = NewParser(file, c)
				if err := q.Restore(state); err != nil {
					t.Fatalf("own state: %v", err)
				}
			}
			var a, b Line
			p.Line(line, &a)
			q.Line(line, &b)
			if a != b {
				t.Fatalf("line %d %q: %+v without, %+v with an interruption", i, line, a, b)
			}
			index.Line(file, line, &a)
			index.Fill(file, p.Whole(), &a)
			tasks.Line(file, p.Whole(), line, &a)
			drivers.Line(file, p.Whole(), line, &a)
		}
		tasks.Of(file, Place{Mark: int(cut)})
		drivers.Job(file.SubmissionID)
	})
}

// FuzzRestore takes any bytes as a state.
func FuzzRestore(f *testing.F) {
	p := NewParser(ParsePath("worker-"+testWorker+"-ffffffff-793.out"), Context{})
	f.Add(p.AppendState(nil))
	var l Line
	p.Line([]byte(":job_id:01000000"), &l)
	f.Add(p.AppendState(nil))
	f.Fuzz(func(t *testing.T, state []byte) {
		p := NewParser(ParsePath("raylet.out"), Context{})
		if p.Restore(state) != nil {
			return
		}
		var l Line
		p.Line([]byte("x"), &l)
	})
}
