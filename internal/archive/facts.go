package archive

import "github.com/remora-ray/remora/internal/ray"

// Facts is what the files of a session tell about each other's lines on one node:
// what one file leaves out of a line, another may tell. It is not safe for
// concurrent use.
type Facts struct {
	nodeIDs []string
	index   *ray.Index // of the node
	tasks   *ray.Tasks // of the node
	drivers *ray.Drivers
}

// Facts reads every session once, all nodes of it.
func (a *Archive) Facts(c ray.Context) (map[*Session]*Facts, error) {
	drivers := make(map[string]*ray.Drivers)
	all := make(map[*Session]*Facts)
	for _, n := range a.nodes {
		for _, s := range n.Sessions {
			if drivers[s.Name] == nil {
				drivers[s.Name] = ray.NewDrivers()
			}
			f := &Facts{nodeIDs: s.NodeIDs, index: ray.NewIndex(), tasks: ray.NewTasks(), drivers: drivers[s.Name]}
			c.Session = s.Name
			if err := f.read(s, n.Name, c); err != nil {
				return nil, err
			}
			all[s] = f
		}
	}
	return all, nil
}

func (f *Facts) read(s *Session, node string, c ray.Context) error {
	for _, st := range s.Streams {
		for _, g := range st.Generations {
			f.index.File(g.File)
			f.tasks.File(g.File)
			f.drivers.File(node, g.File)
		}
	}
	for _, st := range s.Streams {
		p := ray.NewParser(st.File, c)
		var l ray.Line
		err := st.Lines(func(_ int64, line []byte) error {
			p.Line(line, &l)
			f.index.Line(st.File, line, &l)
			f.tasks.Line(st.File, p.Whole(), line, &l)
			f.drivers.Line(st.File, p.Whole(), line, &l)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// NodeID is the node's id, where the session's files on it agree on one.
func (f *Facts) NodeID() string {
	switch len(f.nodeIDs) {
	case 1:
		return f.nodeIDs[0]
	case 0: // before Ray 2.57
		id, _ := f.index.Node()
		return id
	}
	return ""
}

// Of returns what adds to the lines of one stream. The function it returns is to
// be called for each line from the first on, in order, with what the stream's
// parser said of it and the logical offset of its first byte.
func (f *Facts) Of(st *Stream) func(p *ray.Parser, offset int64, l *ray.Line) {
	at := ray.Place{Rotated: len(st.Generations) > 1}
	return func(p *ray.Parser, offset int64, l *ray.Line) {
		if at.Offset = offset; l.Magic && l.TaskName != "" {
			at.Mark++
		}
		f.index.Fill(st.File, p.Whole(), l)
		if l.JobID == "" && !l.Copy && st.File.SubmissionID != "" {
			l.JobID = f.drivers.Job(st.File.SubmissionID)
		}
		if l.NodeID == "" && !l.Copy && !p.Unmarked() {
			l.NodeID = f.NodeID()
		}
		if l.TaskID == "" {
			l.TaskID = f.tasks.Of(st.File, at)
		}
	}
}
