package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/ray"
)

// judge measures one recording: every file's kind, and every tagged line against
// what package ray says of it.
type judge struct {
	result *result
}

// run judges all sessions of a recording.
func run(paths []string, name string) (*result, error) {
	a, err := archive.Open(paths, archive.Options{})
	if err != nil {
		return nil, err
	}
	j := &judge{result: newResult(name)}
	if err := errors.Join(j.archive(a), a.Close()); err != nil {
		return nil, err
	}
	return j.result, nil
}

func (j *judge) archive(a *archive.Archive) error {
	known, err := a.Facts(ray.Context{})
	if err != nil {
		return err
	}
	for _, n := range a.Nodes() {
		session := ""
		for _, s := range n.Sessions {
			session = s.Name
			j.kinds(s)
			for _, st := range s.Streams {
				if err := j.stream(st, s, known[s]); err != nil {
					return err
				}
			}
		}
		for _, st := range n.Outside {
			if err := j.outside(st, session); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *judge) kinds(s *archive.Session) {
	for _, st := range s.Streams {
		for _, g := range st.Generations {
			j.result.file(g.File, g.Size)
		}
	}
	j.result.skipped += len(s.Skipped)
}

// stream judges the tagged lines of one log file.
func (j *judge) stream(st *archive.Stream, s *archive.Session, known *archive.Facts) error {
	p := ray.NewParser(st.File, ray.Context{Session: s.Name})
	fill := known.Of(st)
	var own, joined ray.Line
	return st.Lines(func(offset int64, line []byte) error {
		p.Line(line, &own)
		j.result.lines++
		joined = own
		fill(p, offset, &joined)
		t, ok := parseTag(line)
		if !ok {
			return nil
		}
		if quotes(st.File.Component) {
			j.result.quoted++
			return nil
		}
		j.line(st.File, offset, p.Whole(), t, &own, &joined)
		return nil
	})
}

// outside judges the output of containers and drivers.
func (j *judge) outside(st *archive.Stream, session string) error {
	p := ray.NewParser(st.File, ray.Context{Session: session})
	var l ray.Line
	return st.Lines(func(offset int64, line []byte) error {
		p.Line(line, &l)
		j.result.lines++
		if t, ok := parseTag(line); ok {
			j.line(st.File, offset, p.Whole(), t, &l, &l)
		}
		return nil
	})
}

// quotes tells that tagged lines in a component's files are quotations: a GCS
// that logs a job's message, an event about it.
func quotes(c ray.Component) bool {
	switch c {
	case ray.ComponentWorker, ray.ComponentJob, ray.ComponentServe, ray.ComponentContainer:
		return false
	}
	return true
}

// line compares one line's values with its tag.
func (j *judge) line(f ray.File, offset int64, whole bool, t tag, own, joined *ray.Line) {
	j.result.tagged++
	for _, name := range fieldNames {
		want := *t.field(name)
		got := valueOf(joined, name)
		c := j.result.count(name)
		switch {
		case want == "-" && (name == "actor" || name == "task") && got == "":
			c.none++
		case want == "-" && t.fromThread():
			// A thread of the user's: its process is known, its task is not told.
			c.untold++
		case got == want:
			c.right++
			c.by[rule(f, name, own, joined)]++
		case got == "":
			c.unknown[reason(f, name, whole, joined)]++
		default:
			c.wrong++
			j.result.wrong = append(j.result.wrong, fmt.Sprintf("%s at byte %d: %s is %s, not %s", f.Path, offset, name, want, got))
		}
	}
}

func valueOf(l *ray.Line, name string) string {
	switch name {
	case "job":
		return l.JobID
	case "worker":
		return l.WorkerID
	case "pid":
		if l.PID == 0 {
			return ""
		}
		return strconv.Itoa(l.PID)
	case "node":
		return l.NodeID
	case "actor":
		return l.ActorID
	case "task":
		return l.TaskID
	}
	return ""
}

// rule names the way in which a value was learnt.
func rule(f ray.File, name string, own, joined *ray.Line) string {
	if valueOf(own, name) == "" {
		return "another file of the session"
	}
	inName := map[string]bool{"job": f.JobID != "", "worker": f.WorkerID != "", "pid": f.PID != 0}
	switch {
	case inName[name]:
		return "file name"
	case own.TaskID != "" && own.NodeID == "":
		return "structured line of the same task"
	case own.NodeID != "":
		return "structured line"
	}
	return "earlier line of the file"
}

// reason tells why a value is not known.
func reason(f ray.File, name string, whole bool, l *ray.Line) string {
	switch {
	case l.Copy:
		return "copy of another process's line"
	case f.Component == ray.ComponentJob && f.SubmissionID == "":
		return "driver's output on its own terminal, which is no file of Ray's"
	case f.Component == ray.ComponentJob && name == "job":
		return "submitted job: no file tells which driver is its only one"
	case f.Component == ray.ComponentJob:
		return "submitted job's output: no file tells which process wrote a line"
	case f.Component == ray.ComponentContainer:
		return "container's output: lines of all processes without ids"
	case f.Component == ray.ComponentServe:
		return "Serve's text lines: no file ties the replica to a worker"
	}
	switch name {
	case "task":
		if l.ActorID != "" || l.ActorName != "" {
			return "actor task: no file tells which call wrote a line"
		}
		if !whole {
			return "normal task: the marks of earlier tasks are in generations that are gone"
		}
		return "normal task: only its name is in the files"
	case "job":
		return "prestarted worker whose first generation is gone"
	case "actor":
		return "no file says which actor the worker is"
	case "node":
		return "the files of the session directory name no node id, or several"
	}
	return "not in the file's name"
}
