package ray

// Index joins what the files of one session on one node tell about each other's
// processes: a worker's C++ log names its actor and node, its raylet the job it
// served. It is not safe for concurrent use.
//
// It grows with the number of processes, not of lines.
type Index struct {
	workers     map[string]*workerFacts
	byPID       map[int]*workerFacts // nil where two workers had one pid
	replicas    map[string]*workerFacts
	submissions map[string]*submissionFacts
	nodes       map[string]bool
	intern      interner
}

type workerFacts struct {
	id, job, actor, node string
	pid                  int
	replica              string
	several              bool // its output names several replicas
}

type submissionFacts struct {
	job     string
	several bool
}

// NewIndex returns an empty index.
func NewIndex() *Index {
	return &Index{
		workers:     make(map[string]*workerFacts),
		byPID:       make(map[int]*workerFacts),
		replicas:    make(map[string]*workerFacts),
		submissions: make(map[string]*submissionFacts),
		nodes:       make(map[string]bool),
	}
}

// File notes what the name of a file tells. Call it once for each file.
func (x *Index) File(f File) {
	if f.WorkerID == "" {
		return
	}
	w := x.worker(f.WorkerID)
	x.setPID(w, f.PID)
	if f.JobID != "" {
		w.job = f.JobID
	}
}

// Line notes what a line tells. l is what the file's Parser said of it.
func (x *Index) Line(f File, line []byte, l *Line) {
	switch f.Component {
	case ComponentCoreWorker, ComponentCoreDriver:
		x.coreLine(f, l)
	case ComponentWorker:
		x.workerLine(f, l)
	case ComponentRaylet:
		x.rayletLine(line, l)
	case ComponentExportEvent:
		x.exportLine(line)
	}
}

// Fill adds to l what its own file does not tell. whole is Parser.Whole of the
// file's parser.
func (x *Index) Fill(f File, whole bool, l *Line) {
	switch f.Component {
	case ComponentWorker, ComponentCoreWorker:
		w := x.workers[f.WorkerID]
		if w == nil {
			return
		}
		w.fill(l)
		if l.ActorID == "" && l.TaskName == "" && (l.ActorName != "" || !whole) && f.Component == ComponentWorker {
			l.ActorID = w.actor
		}
	case ComponentServe:
		w := x.replicas[replicaKey(f.Application, f.Deployment, f.Replica)]
		if w == nil || w.several {
			return
		}
		if l.WorkerID == "" {
			l.WorkerID, l.PID = w.id, w.pid
		}
		w.fill(l)
		if l.ActorID == "" {
			l.ActorID = w.actor
		}
	case ComponentJob:
		s := x.submissions[f.SubmissionID]
		if l.JobID == "" && !l.Copy && s != nil && !s.several {
			l.JobID = s.job
		}
	}
}

// Node is the node's id where all processes that name one name the same. A second
// start in the same directory has another.
func (x *Index) Node() (id string, ok bool) {
	for id = range x.nodes {
		ok = len(x.nodes) == 1
	}
	if !ok {
		return "", false
	}
	return id, true
}

func (w *workerFacts) fill(l *Line) {
	if l.JobID == "" {
		l.JobID = w.job
	}
	if l.NodeID == "" {
		l.NodeID = w.node
	}
}

func (x *Index) worker(id string) *workerFacts {
	w := x.workers[id]
	if w == nil {
		w = &workerFacts{id: id}
		x.workers[id] = w
	}
	return w
}

// setPID notes a worker's pid; a pid that two workers had names none of them.
func (x *Index) setPID(w *workerFacts, pid int) {
	if pid == 0 || w.pid == pid {
		return
	}
	w.pid = pid
	if other, taken := x.byPID[pid]; taken && other != w {
		x.byPID[pid] = nil
		return
	}
	x.byPID[pid] = w
}

func replicaKey(app, deployment, replica string) string {
	if deployment == "" || replica == "" {
		return ""
	}
	return app + "#" + deployment + "#" + replica
}
