package inspect

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/ray"
)

// Paths opens and summarises what paths hold.
func Paths(paths []string, opt archive.Options) (*Summary, error) {
	a, err := archive.Open(paths, opt)
	if err != nil {
		return nil, err
	}
	s, err := Archive(a)
	if closeErr := a.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	s.Paths = paths
	return s, nil
}

// Archive summarises all sessions of an archive.
func Archive(a *archive.Archive) (*Summary, error) {
	sessions := make(map[string]*session)
	outside := newSession("")
	for _, n := range a.Nodes() {
		into := outside
		for _, s := range n.Sessions {
			into = sessions[s.Name]
			if into == nil {
				into = newSession(s.Name)
				sessions[s.Name] = into
			}
			if err := into.read(n, s); err != nil {
				return nil, err
			}
		}
		// Container and driver output spans sessions; the last one is the
		// likeliest to be asked about.
		if err := into.readOutside(n); err != nil {
			return nil, err
		}
	}
	var out Summary
	for _, name := range slices.Sorted(maps.Keys(sessions)) {
		out.Sessions = append(out.Sessions, sessions[name].summary())
	}
	if len(outside.components) > 0 {
		s := outside.summary()
		out.Outside = &s
	}
	return &out, nil
}

// session gathers one session over its nodes.
type session struct {
	name       string
	version    string
	span       span
	nodes      []*Node
	skipped    []Skipped
	components map[ray.Component]*Component
	jobs       map[string]*Job
	submitted  map[string]*Submitted
	actors     map[string]*Actor
	workers    map[string]*Worker
	drivers    *ray.Drivers
	errors     errorGroups
}

func newSession(name string) *session {
	return &session{
		name:       name,
		components: make(map[ray.Component]*Component),
		jobs:       make(map[string]*Job),
		submitted:  make(map[string]*Submitted),
		actors:     make(map[string]*Actor),
		workers:    make(map[string]*Worker),
		drivers:    ray.NewDrivers(),
		errors:     errorGroups{groups: make(map[string]*group)},
	}
}

// read takes in one node's part of the session.
func (s *session) read(n *archive.Node, in *archive.Session) error {
	node := &Node{Name: n.Name, IDs: slices.Clone(in.NodeIDs), Head: n.IsHead()}
	s.nodes = append(s.nodes, node)
	for _, k := range in.Skipped {
		s.skipped = append(s.skipped, Skipped{k.File.Path, k.File.Skip, k.Size})
	}
	index := ray.NewIndex()
	for _, st := range in.Streams {
		for _, g := range st.Generations {
			index.File(g.File)
			s.drivers.File(n.Name, g.File)
		}
	}
	var sp span
	for _, st := range in.Streams {
		r := reader{s: s, node: node, file: st.File, index: index, span: &sp}
		if err := r.read(st); err != nil {
			return err
		}
	}
	node.Start, node.End = sp.times()
	s.span.join(sp)
	s.resolve(node, in, index)
	return nil
}

// readOutside takes in the output of a node's container and drivers.
func (s *session) readOutside(n *archive.Node) error {
	node := &Node{Name: n.Name}
	var sp span
	for _, st := range n.Outside {
		r := reader{s: s, node: node, file: st.File, index: ray.NewIndex(), span: &sp}
		if err := r.read(st); err != nil {
			return err
		}
	}
	if s.name == "" {
		s.span.join(sp)
	}
	return nil
}

// resolve adds what the files of a node tell about each other's processes.
func (s *session) resolve(node *Node, in *archive.Session, index *ray.Index) {
	for _, st := range in.Streams {
		w := s.workers[st.File.WorkerID]
		if w == nil || w.NodeID != "" && w.JobID != "" {
			continue
		}
		l := ray.Line{JobID: w.JobID, NodeID: w.NodeID}
		index.Fill(ray.File{Component: ray.ComponentCoreWorker, WorkerID: w.ID}, true, &l)
		w.JobID, w.NodeID = l.JobID, l.NodeID
		if w.NodeID == "" && len(node.IDs) == 1 {
			w.NodeID = node.IDs[0]
		}
	}
	for _, sub := range s.submitted {
		l := ray.Line{}
		index.Fill(ray.File{Component: ray.ComponentJob, SubmissionID: sub.ID}, true, &l)
		s.startedBy(l.JobID, sub.ID)
	}
}

func (s *session) startedBy(jobID, submissionID string) {
	if j := s.jobs[jobID]; j != nil {
		j.SubmissionID = submissionID
	}
}

func (s *session) summary() Session {
	out := Session{
		Name: s.name, RayVersion: s.version, Skipped: s.skipped,
		Jobs: []Job{}, Submitted: []Submitted{}, Actors: []Actor{}, Workers: []Worker{}, Errors: []Error{}, Nodes: []Node{}, Components: []Component{},
	}
	out.Start, out.End = s.span.times()
	for id := range s.submitted {
		s.startedBy(s.drivers.Job(id), id)
	}
	for _, n := range s.nodes {
		out.Nodes = append(out.Nodes, *n)
	}
	for _, c := range s.components {
		out.Components = append(out.Components, *c)
		out.Files += c.Files
		out.Lines += c.Lines
		out.Bytes += c.Bytes
	}
	slices.SortFunc(out.Components, func(a, b Component) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), strings.Compare(a.Name, b.Name))
	})
	s.processes(&out)
	out.Errors, out.MoreErrors = s.errors.list()
	return out
}

// processes lists jobs, submissions, actors and workers.
func (s *session) processes(out *Session) {
	exits := make(map[string]int)
	for _, w := range s.workers {
		out.Workers = append(out.Workers, *w)
		if w.Exit != "" {
			exits[w.Exit]++
		}
		if w.JobID == "" {
			continue
		}
		s.job(w.JobID).Workers++
	}
	classes := make(map[string]map[string]bool)
	for _, a := range s.actors {
		out.Actors = append(out.Actors, *a)
		if a.JobID == "" {
			continue
		}
		s.job(a.JobID).Actors++
		if classes[a.JobID] == nil {
			classes[a.JobID] = make(map[string]bool)
		}
		classes[a.JobID][a.Name] = true
	}
	for _, j := range s.jobs {
		j.Of = owner(classes[j.ID])
		out.Jobs = append(out.Jobs, *j)
	}
	for _, j := range s.submitted {
		out.Submitted = append(out.Submitted, *j)
	}
	for _, t := range slices.Sorted(maps.Keys(exits)) {
		out.Exits = append(out.Exits, Exit{t, exits[t]})
	}
	slices.SortFunc(out.Jobs, func(a, b Job) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(out.Submitted, func(a, b Submitted) int {
		return cmp.Or(compareTimes(a.Start, b.Start), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(out.Actors, func(a, b Actor) int {
		return cmp.Or(strings.Compare(a.JobID, b.JobID), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(out.Workers, func(a, b Worker) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), cmp.Compare(a.PID, b.PID), strings.Compare(a.ID, b.ID))
	})
}

// owner names the part of Ray that runs a job of its own, which no user started:
// such a job has actors of one class only.
func owner(classes map[string]bool) string {
	switch {
	case len(classes) != 1:
		return ""
	case classes["JobSupervisor"]:
		return "job server"
	case classes["_StatsActor"]:
		return "dashboard"
	}
	return ""
}

func (s *session) job(id string) *Job {
	j := s.jobs[id]
	if j == nil {
		j = &Job{ID: id}
		s.jobs[id] = j
	}
	return j
}

// span is the time between the first and the last stamp, in Unix nanoseconds.
type span struct{ first, last int64 }

func (p *span) add(t int64) {
	if t == 0 {
		return
	}
	if p.first == 0 || t < p.first {
		p.first = t
	}
	p.last = max(p.last, t)
}

func (p *span) join(o span) {
	p.add(o.first)
	p.add(o.last)
}

func (p *span) times() (start, end *time.Time) { return timeOf(p.first), timeOf(p.last) }

// timeOf is a time in UTC, nil for none.
func timeOf(nano int64) *time.Time {
	if nano == 0 {
		return nil
	}
	t := time.Unix(0, nano).UTC()
	return &t
}

func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}
