package inspect

import (
	"bytes"
	"time"

	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/ray"
)

// reader takes in one stream.
type reader struct {
	s     *session
	node  *Node
	file  ray.File
	index *ray.Index
	span  *span

	component *Component
	worker    *Worker
	submitted *Submitted
	latest    int64 // no line can be from after this
	lines     int64
	open      pending
}

// clockSlack is how far a line's stamp may lie behind the time its file was last
// written, for clocks and zones that differ.
const clockSlack = 26 * time.Hour

func (r *reader) read(st *archive.Stream) error {
	r.count(st)
	p := ray.NewParser(st.File, ray.Context{Session: r.s.name})
	var l ray.Line
	if err := st.Lines(func(_ int64, line []byte) error {
		p.Line(line, &l)
		r.line(line, p.Whole(), &l)
		return nil
	}); err != nil {
		return err
	}
	r.finish()
	r.component.Lines += r.lines
	r.node.Lines += r.lines
	if r.worker != nil {
		r.worker.Lines += r.lines
	}
	if r.submitted != nil {
		r.submitted.Lines += r.lines
	}
	return nil
}

// count takes in what names and sizes of the stream's files tell.
func (r *reader) count(st *archive.Stream) {
	s, f := r.s, st.File
	c := s.components[f.Component]
	if c == nil {
		c = &Component{Name: string(f.Component)}
		s.components[f.Component] = c
	}
	r.component = c
	for _, g := range st.Generations {
		c.Files++
		r.node.Files++
		if g.Size == 0 {
			c.Empty++
			r.node.Empty++
		}
		if g.File.Rotation > 0 {
			c.Rotated++
		}
		c.Bytes += g.Size
		r.node.Bytes += g.Size
		r.latest = max(r.latest, g.ModTime.Add(clockSlack).UnixNano())
	}
	switch f.Component {
	case ray.ComponentWorker, ray.ComponentCoreWorker:
		if f.WorkerID == "" {
			return
		}
		w := s.workerProcess(f, r.node)
		if f.Component == ray.ComponentWorker {
			r.worker = w
		}
	case ray.ComponentCoreDriver:
		if f.JobID != "" {
			s.job(f.JobID).DriverPID = f.PID
		}
	case ray.ComponentJob:
		if f.SubmissionID != "" {
			r.submitted = s.submission(f.SubmissionID)
		}
	}
}

func (s *session) workerProcess(f ray.File, n *Node) *Worker {
	w := s.workers[f.WorkerID]
	if w == nil {
		w = &Worker{ID: f.WorkerID}
		s.workers[f.WorkerID] = w
	}
	if w.PID == 0 { // until now only the GCS has spoken of it
		w.PID, w.Node = f.PID, n.Name
		n.Workers++
	}
	if f.JobID != "" {
		w.JobID = f.JobID
	}
	return w
}

func (s *session) submission(id string) *Submitted {
	j := s.submitted[id]
	if j == nil {
		j = &Submitted{ID: id}
		s.submitted[id] = j
	}
	return j
}

func (r *reader) line(line []byte, whole bool, l *ray.Line) {
	r.lines++
	r.index.Line(r.file, line, l)
	r.s.drivers.Line(r.file, whole, line, l)
	if l.Time > r.latest {
		l.Time = 0 // text that a user printed
	}
	r.span.add(l.Time)
	switch l.Level {
	case "warn":
		if !l.Continuation && !l.Copy {
			r.component.Warnings++
		}
	case "error", "critical", "fatal":
		if !l.Continuation && !l.Copy {
			r.component.Errors++
		}
	}
	r.complain(line, l)
	r.facts(line, l)
}

// facts takes what a line says about jobs, actors and workers.
func (r *reader) facts(line []byte, l *ray.Line) {
	s := r.s
	switch r.file.Component {
	case ray.ComponentWorker:
		if r.worker != nil && r.worker.JobID == "" {
			r.worker.JobID = l.JobID
		}
		if l.Magic && l.ActorName != "" && r.worker != nil && r.worker.ActorID != "" {
			s.actors[r.worker.ActorID].Name = l.ActorName
		}
	case ray.ComponentCoreWorker:
		r.actor(l)
	case ray.ComponentRaylet:
		if l.NodeID != "" && len(r.node.IDs) == 0 {
			r.node.IDs = []string{l.NodeID}
		}
	case ray.ComponentAutoscaler:
		if s.version == "" {
			s.version = ray.Version(line)
		}
	case ray.ComponentGCS:
		r.gcs(line, l)
	case ray.ComponentEvent:
		if id, status, ok := ray.JobEvent(line); ok {
			j := s.submission(id)
			if status == "" {
				j.Start = timeOf(l.Time)
			} else {
				j.Status, j.End = status, timeOf(l.Time)
			}
		}
	}
}

// actor notes that a worker has become an actor.
func (r *reader) actor(l *ray.Line) {
	if l.ActorID == "" {
		return
	}
	w := r.s.workers[r.file.WorkerID]
	if w == nil || w.ActorID == l.ActorID {
		return
	}
	w.ActorID = l.ActorID
	if w.JobID == "" {
		w.JobID = l.JobID
	}
	a := r.s.actors[l.ActorID]
	if a == nil {
		a = &Actor{ID: l.ActorID, JobID: l.JobID}
		r.s.actors[l.ActorID] = a
	}
	a.Workers = append(a.Workers, w.ID)
}

func (r *reader) gcs(line []byte, l *ray.Line) {
	s := r.s
	if s.version == "" {
		s.version = ray.Version(line)
	}
	if l.Continuation || !bytes.Contains(line, []byte("ing")) {
		return
	}
	if id, pid, ok := ray.RegisteredJob(line); ok {
		j := s.job(id)
		j.Start = timeOf(l.Time)
		if pid != 0 {
			j.DriverPID = pid
		}
	} else if id, ok := ray.FinishedJob(line); ok {
		s.job(id).End = timeOf(l.Time)
	} else if id, exit, ok := ray.WorkerExit(line); ok {
		if w := s.workers[id]; w != nil {
			w.Exit = exit
		} else if ray.JobOfDriver(id) == "" {
			s.workers[id] = &Worker{ID: id, Exit: exit}
		}
	}
}
