package ray

import "bytes"

// fields are what Ray's loggers attach to a line.
type fields struct {
	asctime, level                 []byte
	userLevel                      []byte // of some other logger
	job, worker, node, actor, task []byte
	actorName, taskName            []byte
	deployment, application        []byte
	replica, request               []byte
	component                      []byte
	pid                            int
	nano                           int64
}

// set takes one member of a JSON line.
func (f *fields) set(key, v []byte) {
	switch string(key) {
	case "asctime":
		f.asctime = v
	case "levelname":
		f.level = v
	case "level", "severity":
		f.userLevel = v
	case "timestamp_ns":
		f.nano = unixNano(v)
	case "process":
		f.pid, _ = leadingNumber(v)
	case "job_id":
		f.job = v
	case "worker_id":
		f.worker = v
	case "node_id":
		f.node = v
	case "actor_id":
		f.actor = v
	case "task_id":
		f.task = v
	case "actor_name":
		f.actorName = v
	case "task_name":
		f.taskName = v
	case "deployment":
		f.deployment = v
	case "application":
		f.application = v
	case "replica":
		f.replica = v
	case "request_id":
		f.request = v
	case "component":
		f.component = v
	}
}

// jsonHead reads a line that is one JSON object: Ray's structured logging, Serve's
// JSON form, the C++ side's with RAY_BACKEND_LOG_JSON=1, or a user's.
func (p *Parser) jsonHead(line []byte, dst *Line) head {
	obj, ok := openObject(line)
	if !ok {
		return headNone
	}
	var f fields
	for {
		key, v, ok := obj.next()
		if !ok {
			break
		}
		f.set(key, v)
	}
	switch {
	case !obj.closed():
		return headNone
	case f.level == nil:
		if dst.Level = spelledLevel(f.userLevel); dst.Level == "" {
			return headNone
		}
		return headLevel
	}
	stamp, n := p.clock.stamp(f.asctime)
	if n == 0 || !p.clock.plausible(stamp) {
		return headNone
	}
	dst.Time, dst.Level = stamp, anyLevel(f.level)
	if p.file.Format == FormatContainer {
		dst.Component = componentNamed(f.component)
	}
	if f.nano == 0 && len(f.level) == 1 {
		return headCPP // it has neither timestamp_ns nor whole words
	}
	if sameDay(f.nano, stamp) {
		dst.Time = f.nano
	}
	p.s.unmarked = p.s.unmarked || p.file.Format == FormatDriver
	p.take(&f, dst)
	return headJSON
}

// sameDay tells whether an absolute time and a naive one can be the same moment.
func sameDay(absolute, naive int64) bool {
	d := absolute - naive
	return absolute > 0 && -int64(clockSlack) < d && d < int64(clockSlack)
}

var keyJobID = []byte(" job_id=")

// structuredText reads the ids at the end of a structured text line:
//
//	… job_id=J worker_id=W node_id=N [actor_id=A] [task_id=T] [task_name=…] [task_func_name=…] [actor_name=…] [timestamp_ns=…]
//
// The message before them may hold the same words, so it is the last that count.
func (p *Parser) structuredText(line []byte, dst *Line) {
	if !endsInID(line) {
		return
	}
	i := bytes.LastIndex(line, keyJobID)
	if i < 0 {
		return
	}
	var f fields
	b := line[i:]
	if f.job, b = textID(b, " job_id=", jobIDLen); f.job == nil {
		return
	}
	if f.worker, b = textID(b, " worker_id=", workerIDLen); f.worker == nil {
		return
	}
	f.node, b = textID(b, " node_id=", nodeIDLen)
	f.actor, b = textID(b, " actor_id=", actorIDLen)
	f.task, b = textID(b, " task_id=", taskIDLen)
	if j := bytes.LastIndex(b, []byte(" timestamp_ns=")); j >= 0 {
		if nano := unixNano(b[j+len(" timestamp_ns="):]); sameDay(nano, dst.Time) {
			dst.Time = nano
		}
		b = b[:j]
	}
	f.actorName, b = textTail(b, " actor_name=")
	_, b = textTail(b, " task_func_name=")
	f.taskName, _ = textTail(b, " task_name=")
	p.take(&f, dst)
}

// endsInID tells whether the last k=v of a line is one of those that Ray ends a
// structured line with. Most lines hold none and are done here.
func endsInID(line []byte) bool {
	i := bytes.LastIndexByte(line, '=')
	if i < 0 {
		return false
	}
	key := line[:i]
	return bytes.HasSuffix(key, []byte("timestamp_ns")) || bytes.HasSuffix(key, []byte("_id")) || bytes.HasSuffix(key, []byte("_name"))
}

// textID reads key and an id at the start of b.
func textID(b []byte, key string, n int) (id, rest []byte) {
	if len(b) < len(key)+n || string(b[:len(key)]) != key {
		return nil, b
	}
	id = leadingID(b[len(key):], n)
	if id == nil {
		return nil, b
	}
	return id, b[len(key)+n:]
}

// textTail takes key and its value off the end of b; the value may hold blanks.
func textTail(b []byte, key string) (value, rest []byte) {
	i := bytes.LastIndex(b, []byte(key))
	if i < 0 {
		return nil, b
	}
	return b[i+len(key):], b[:i]
}

// take believes a structured line's ids if they fit each other and the file they
// are in; else the line is a copy from another process, or a user's own text.
func (p *Parser) take(f *fields, dst *Line) {
	if !f.consistent() {
		return
	}
	known := dst.JobID
	if known == "" {
		known = p.s.job
	}
	if known != "" && f.job != nil && string(f.job) != known {
		return
	}
	switch p.file.Format {
	case FormatWorker:
		if p.file.WorkerID == "" || string(f.worker) != p.file.WorkerID {
			return
		}
	case FormatDriver:
		dst.Copy = f.job == nil || !isDriverID(f.worker, f.job)
	case FormatContainer, FormatRaw:
		return
	}
	last := &p.last
	p.set(&dst.JobID, &last.JobID, f.job)
	p.set(&dst.WorkerID, &last.WorkerID, f.worker)
	p.set(&dst.NodeID, &last.NodeID, f.node)
	p.set(&dst.ActorID, &last.ActorID, f.actor)
	p.set(&dst.TaskID, &last.TaskID, f.task)
	p.set(&dst.ActorName, &last.ActorName, f.actorName)
	p.set(&dst.TaskName, &last.TaskName, f.taskName)
	if dst.JobID == "" && dst.ActorID != "" {
		dst.JobID = JobOfActor(dst.ActorID)
	}
	if dst.PID == 0 && f.pid > 0 {
		dst.PID = f.pid
	}
	p.takeServe(f, dst)
}

// set takes a value if there is one; last is that of an earlier line.
func (p *Parser) set(dst, last *string, b []byte) {
	if len(b) > 0 && len(b) <= maxName {
		*dst = p.intern.latest(last, b)
	}
}

// consistent tells whether the ids have their lengths and contain each other as
// Ray's do. A worker id must be there: it ties the line to a process.
func (f *fields) consistent() bool {
	ok := fits(f.worker, workerIDLen) && f.worker != nil &&
		fits(f.job, jobIDLen) && fits(f.node, nodeIDLen) && fits(f.actor, actorIDLen) && fits(f.task, taskIDLen)
	if !ok {
		return false
	}
	if f.job != nil {
		if f.actor != nil && !bytes.HasSuffix(f.actor, f.job) {
			return false
		}
		if f.task != nil && !bytes.HasSuffix(f.task, f.job) {
			return false
		}
	}
	return f.actor == nil || f.task == nil || bytes.HasSuffix(f.task, f.actor)
}

// fits tells whether id is absent or n hex digits.
func fits(id []byte, n int) bool { return id == nil || (len(id) == n && isHex(id)) }

func isDriverID(worker, job []byte) bool {
	if len(worker) != workerIDLen || !bytes.HasPrefix(worker, job) {
		return false
	}
	for _, c := range worker[jobIDLen:] {
		if c != 'f' {
			return false
		}
	}
	return true
}

// unixNano reads Unix time in seconds, milliseconds, microseconds or nanoseconds,
// told apart by its size.
func unixNano(b []byte) int64 {
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<60/10*9 {
			break
		}
		n = n*10 + int64(c-'0')
	}
	switch {
	case n < 1e8:
		return 0
	case n < 1e11:
		return n * 1e9
	case n < 1e14:
		return n * 1e6
	case n < 1e17:
		return n * 1e3
	}
	return n
}
