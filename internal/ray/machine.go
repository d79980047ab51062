package ray

import "bytes"

// Parser attributes the lines of one stream, in order, across its generations:
// begin it at the oldest generation that is there and keep it (or its state) over
// every rotation. It is not safe for concurrent use.
type Parser struct {
	file   File
	clock  clock
	intern interner
	s      state

	replica serveName // what the actor's name says, for a Serve replica's output
	last    Line      // values of earlier lines, to be used again
}

// role is what a worker process runs, as far as its magic lines tell.
type role uint8

const (
	roleUnknown role = iota
	roleTask         // normal tasks, one after the other
	roleActor        // one actor, for the rest of the process's life
	roleUnsure       // tasks, then an actor's mark: the next mark tells whether a user forged it
)

// block is what the lines that follow belong to.
type block uint8

const (
	blockNone      block = iota
	blockRecord          // lines without a head of their own belong to the record before them
	blockTraceback       // a Python traceback among user output
	blockException       // behind a traceback's last line, where another may be chained to it
	blockTail            // `ray start` repeats the end of another file
)

// state is what earlier lines have told; it is saved with a file's position.
type state struct {
	begun    bool // a line has been read
	whole    bool // the stream was read from its first byte
	marked   bool // a magic line has been accepted
	unmarked bool // a driver logs JSON: copies in its output carry no mark
	role     role
	block    block
	level    string // of the record that continuation lines belong to

	job, actorID, actorName, taskName, taskID, nodeID string

	component string // of a container's lines, as the last head told it
}

// NewParser begins a stream at its first line; see Restore for going on in the
// middle. f is the oldest generation that is there: where that is a rotated one,
// what stood before it may be lost and only its very first line is trusted to
// name the job.
func NewParser(f File, c Context) *Parser {
	p := &Parser{file: f, clock: newClock(c)}
	p.s.whole = f.Rotation == 0
	return p
}

// Whole tells whether the stream was read from its true beginning, so that what
// its first lines tell is known.
func (p *Parser) Whole() bool { return p.s.whole }

// Unmarked tells, for a driver's output, that copies of its workers' lines can
// stand in it without any mark, so that a plain line may be another process's, of
// another node.
func (p *Parser) Unmarked() bool { return p.s.unmarked }

// Line attributes one line, given without its end. *dst is reset first.
func (p *Parser) Line(line []byte, dst *Line) {
	*dst = Line{
		PID: p.file.PID, WorkerID: p.file.WorkerID, JobID: p.file.JobID, SubmissionID: p.file.SubmissionID,
		Application: p.file.Application, Deployment: p.file.Deployment, Replica: p.file.Replica,
	}
	switch p.file.Format {
	case FormatWorker:
		p.workerLine(line, dst)
	case FormatDriver:
		p.driverLine(line, dst)
	case FormatContainer:
		p.containerLine(line, dst)
	case FormatEvent:
		p.eventLine(line, dst)
	case FormatExport:
		p.exportLine(line, dst)
	case FormatRaw:
		p.rawLine(p.head(line, dst), line, dst)
	default:
		p.recordLine(line, dst)
	}
	p.s.begun = true
}

// recordLine reads a file in which every record begins with a head and all other
// lines continue the record before them.
func (p *Parser) recordLine(line []byte, dst *Line) {
	switch h := p.head(line, dst); h {
	case headNone:
		if isDriverCopy(line) && p.file.Output != "log" {
			// A dashboard module that has connected as a driver prints copies.
			dst.Copy = true
			p.s.block, p.s.level = blockNone, ""
			return
		}
		dst.Copy = isIndentedCPP(line)
		dst.Continuation = p.s.block == blockRecord
		dst.Level = p.s.level
	default:
		p.s.block, p.s.level = blockRecord, dst.Level
		if h == headCPP {
			p.cppFacts(line, dst)
		}
	}
	p.learnt(dst)
}

// learnt adds what earlier lines of the file have told of its process.
func (p *Parser) learnt(dst *Line) {
	if dst.JobID == "" {
		dst.JobID = p.s.job
	}
	if dst.ActorID == "" {
		dst.ActorID = p.s.actorID
	}
	if dst.NodeID == "" {
		dst.NodeID = p.s.nodeID
	}
}

// workerLine reads a worker process's output.
func (p *Parser) workerLine(line []byte, dst *Line) {
	if len(line) > 0 && line[0] == ':' && p.magicLine(line, dst) {
		p.s.block, p.s.level = blockNone, ""
	} else {
		p.rawLine(p.head(line, dst), line, dst)
	}
	if dst.JobID == "" {
		dst.JobID = p.s.job
	}
	switch p.s.role {
	case roleTask:
		p.taskOf(dst)
	case roleActor:
		if dst.ActorName == "" {
			dst.ActorName = p.s.actorName
		}
		p.replica.fill(dst)
	}
}

// taskOf names the task that the worker runs. One structured line tells its id for
// all that follows: a worker runs one normal task at a time.
func (p *Parser) taskOf(dst *Line) {
	if dst.TaskName == "" {
		dst.TaskName = p.s.taskName
	}
	switch {
	case dst.TaskID == "":
		dst.TaskID = p.s.taskID
	case IsNormalTask(dst.TaskID):
		p.s.taskID = dst.TaskID
	}
}

// driverLine reads what a driver printed, with the copies of its workers' output
// among it. A line without a mark is not always the driver's own (a shell may
// have started it, and with JSON logging copies have no mark), so that it names
// no process.
func (p *Parser) driverLine(line []byte, dst *Line) {
	if isDriverCopy(line) || isIndentedCPP(line) {
		dst.Copy = true
		p.s.block, p.s.level = blockNone, ""
		return
	}
	p.rawLine(p.head(line, dst), line, dst)
}

// containerLine reads the standard output of `ray start`. With RAY_LOG_TO_STDERR=1
// every process writes there: heads then name the component, and the lines behind
// a head have that of the head.
func (p *Parser) containerLine(line []byte, dst *Line) {
	if bytes.HasPrefix(line, tailBegin) {
		p.s.block, p.s.level, p.s.component = blockTail, "", ""
		return
	}
	if p.s.block == blockTail {
		if bytes.HasPrefix(line, tailEnd) {
			p.s.block = blockNone
			return
		}
		p.head(line, dst)
		dst.Component, dst.Copy = "", true
		return
	}
	if isDriverCopy(line) {
		dst.Copy = true
		return
	}
	h := p.head(line, dst)
	switch {
	case h != headNone:
		p.s.component = string(dst.Component)
	case isMark(line):
		p.s.component = string(ComponentWorker)
	}
	dst.Component = Component(p.s.component)
	p.rawLine(h, line, dst)
}

var (
	tailBegin = []byte("----- BEGIN ")
	tailEnd   = []byte("----- END ")
)
