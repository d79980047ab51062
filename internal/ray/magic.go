package ray

import "bytes"

var (
	magicJob   = []byte(":job_id:")
	magicActor = []byte(":actor_name:")
	magicTask  = []byte(":task_name:")
)

// maxName bounds a task's or actor's name; a longer one is not kept.
const maxName = 512

// magicLine reads Ray's own marks in a worker's output. Users can print the same
// text, so that a mark counts only where Ray would write it:
//
//   - :job_id: once, before all other marks. A process serves one job for life.
//   - :actor_name: once, when the process becomes an actor. (Ray writes a second
//     one for an actor with a __repr__; nothing tells it from a user's.)
//   - :task_name: before each normal task; an actor runs none.
func (p *Parser) magicLine(line []byte, dst *Line) bool {
	switch {
	case bytes.HasPrefix(line, magicJob):
		return p.jobMark(line[len(magicJob):], dst)
	case bytes.HasPrefix(line, magicActor):
		return p.actorMark(line[len(magicActor):], dst)
	case bytes.HasPrefix(line, magicTask):
		return p.taskMark(line[len(magicTask):], dst)
	}
	return false
}

// isMark tells whether a line has the form of a mark.
func isMark(line []byte) bool {
	return len(line) > 0 && line[0] == ':' &&
		(bytes.HasPrefix(line, magicJob) || bytes.HasPrefix(line, magicActor) || bytes.HasPrefix(line, magicTask))
}

func (p *Parser) jobMark(id []byte, dst *Line) bool {
	if len(id) != jobIDLen || !isHex(id) || p.s.marked {
		return false
	}
	if p.s.begun && !p.s.whole {
		return false // Ray's mark was in a generation that is gone
	}
	if p.file.JobID != "" && string(id) != p.file.JobID {
		return false
	}
	p.s.marked, p.s.whole = true, true
	p.s.job = job(p.intern.str(id))
	dst.Magic = true
	return true
}

func (p *Parser) actorMark(name []byte, dst *Line) bool {
	if len(name) == 0 || !p.s.whole {
		return false
	}
	switch p.s.role {
	case roleUnknown:
		p.s.role = roleActor
		p.s.actorName = p.name(name)
		p.replica = replicaName(p.s.actorName)
	case roleTask:
		// A pooled worker may become an actor, or a task printed this.
		p.s.role = roleUnsure
		return false
	default:
		return false
	}
	p.s.marked = true
	dst.Magic = true
	return true
}

func (p *Parser) taskMark(name []byte, dst *Line) bool {
	if len(name) == 0 || p.s.role == roleActor {
		return false
	}
	p.s.role = roleTask
	p.s.taskName, p.s.taskID = p.name(name), ""
	p.s.marked = true
	dst.Magic = true
	return true
}

func (p *Parser) name(b []byte) string {
	if len(b) > maxName {
		return ""
	}
	return p.intern.str(b)
}
