package ray

// Drivers tells which job a submitted job's driver is. Ray writes that into no
// file but an export event, which is seldom on; else it follows when three things
// agree:
//
//   - workers whose output the driver repeats, or structured lines of its own, are
//     of one job and no other;
//   - that job was registered while the submission ran;
//   - no other job was registered meanwhile, but for the job server's own and
//     those that another submission's output claims: a submission may start
//     several drivers.
//
// It needs the whole session, all nodes of it, before it answers. It is not safe
// for concurrent use.
type Drivers struct {
	registered  map[string]int64 // job → when
	complete    bool             // the GCS's log was read from its first line
	submissions map[string]*submissionSeen
	workers     map[nodePID]string // worker id; "" where two had one pid
	jobs        map[string]string  // worker id → job
	servers     map[string]bool    // jobs that run supervisors of submitted jobs
}

type nodePID struct {
	node string
	pid  int
}

type submissionSeen struct {
	node       string
	start, end int64
	pids       map[int]bool    // of workers whose lines its output repeats
	jobs       map[string]bool // that its own lines name
}

// maxCopiedPIDs bounds what is remembered of one submission's output.
const maxCopiedPIDs = 10000

// NewDrivers returns an empty one.
func NewDrivers() *Drivers {
	return &Drivers{
		registered:  make(map[string]int64),
		submissions: make(map[string]*submissionSeen),
		workers:     make(map[nodePID]string),
		jobs:        make(map[string]string),
		servers:     make(map[string]bool),
	}
}

// File notes what the name of a file on a node tells.
func (x *Drivers) File(node string, f File) {
	switch f.Component {
	case ComponentWorker, ComponentCoreWorker:
		if f.WorkerID == "" {
			return
		}
		if f.JobID != "" {
			x.jobs[f.WorkerID] = f.JobID
		}
		key := nodePID{node, f.PID}
		if other, taken := x.workers[key]; taken && other != f.WorkerID {
			x.workers[key] = ""
			return
		}
		x.workers[key] = f.WorkerID
	case ComponentJob:
		if f.SubmissionID != "" {
			x.submission(f.SubmissionID).node = node
		}
	}
}

// Line notes what a line tells. l is what the file's Parser said of it, and whole
// its Whole.
func (x *Drivers) Line(f File, whole bool, line []byte, l *Line) {
	switch f.Component {
	case ComponentGCS:
		x.complete = x.complete || f.Output == "out" && whole
		if id, _, ok := RegisteredJob(line); ok && !l.Continuation {
			x.registered[id] = l.Time
		}
	case ComponentWorker:
		if l.Magic && l.JobID != "" && f.WorkerID != "" {
			x.jobs[f.WorkerID] = l.JobID
			if l.ActorName == "JobSupervisor" {
				x.servers[l.JobID] = true
			}
		}
	case ComponentEvent:
		x.event(line, l)
	case ComponentJob:
		x.output(f, line, l)
	}
}

func (x *Drivers) event(line []byte, l *Line) {
	id, status, ok := JobEvent(line)
	if !ok {
		return
	}
	s := x.submission(id)
	if status == "" {
		s.start = l.Time
	} else {
		s.end = l.Time
	}
}

func (x *Drivers) output(f File, line []byte, l *Line) {
	if f.SubmissionID == "" {
		return
	}
	s := x.submission(f.SubmissionID)
	switch {
	case l.JobID != "":
		s.jobs[l.JobID] = true
	case l.Copy:
		if pid := copiedPID(line); pid > 0 && len(s.pids) < maxCopiedPIDs {
			s.pids[pid] = true
		}
	}
}

// Job is the job of a submission's only driver, "" where files do not tell it or
// it has several.
func (x *Drivers) Job(submissionID string) string {
	s := x.submissions[submissionID]
	if s == nil || s.start == 0 || !x.complete {
		return ""
	}
	id := x.claimed(s)
	if id == "" || !s.during(x.registered[id]) {
		return ""
	}
	for other, at := range x.registered {
		if other != id && s.during(at) && !x.servers[other] && !x.claimedBeside(other, submissionID) {
			return ""
		}
	}
	return id
}

// claimed is the one job that a submission's output names.
func (x *Drivers) claimed(s *submissionSeen) string {
	id := ""
	for j := range s.jobs {
		if id != "" {
			return ""
		}
		id = j
	}
	for pid := range s.pids {
		j := x.jobs[x.workers[nodePID{s.node, pid}]]
		if j == "" || id != "" && j != id {
			return ""
		}
		id = j
	}
	return id
}

// claimedBeside tells whether another submission's output names the job.
func (x *Drivers) claimedBeside(jobID, submissionID string) bool {
	for other, s := range x.submissions {
		if other != submissionID && s.during(x.registered[jobID]) && x.claimed(s) == jobID {
			return true
		}
	}
	return false
}

// during tells whether the submission ran at the time; events count whole seconds.
func (s *submissionSeen) during(at int64) bool {
	const second = 1e9
	return at >= s.start && (s.end == 0 || at < s.end+second)
}

func (x *Drivers) submission(id string) *submissionSeen {
	s := x.submissions[id]
	if s == nil {
		s = &submissionSeen{pids: make(map[int]bool), jobs: make(map[string]bool)}
		x.submissions[id] = s
	}
	return s
}
