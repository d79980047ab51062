package ray

import "bytes"

// head is the form in which a line begins a record.
type head uint8

const (
	headNone   head = iota
	headCPP         // text or JSON of the C++ side
	headPython      // time first
	headServe       // level, time
	headGlog        // gRPC's own
	headJSON        // a structured line of Python's
	headLevel       // LEVEL:name:…, no time
)

// head reads the line's own time, level and ids into dst and tells its form. A
// line that cannot be what its form says (a time before the session, another
// process's pid) is text that a user printed and has no head.
func (p *Parser) head(line []byte, dst *Line) head {
	if len(line) < 8 {
		return headNone
	}
	switch c := line[0]; {
	case c == '[':
		return p.cppHead(line, dst)
	case c == '{':
		return p.jsonHead(line, dst)
	case c >= '0' && c <= '9':
		return p.timeHead(line, dst)
	case c >= 'A' && c <= 'Z':
		if line[1] >= '0' && line[1] <= '9' {
			return p.glogHead(line, dst)
		}
		return p.wordHead(line, dst)
	}
	return headNone
}

// cppHead reads "[2026-11-21 05:06:01,604 I 13 13] (component) file.cc:1: msg".
func (p *Parser) cppHead(line []byte, dst *Line) head {
	nano, n := p.clock.stamp(line[1:])
	if n == 0 {
		return headNone
	}
	b := line[1+n:]
	if len(b) < 6 || b[0] != ' ' || b[2] != ' ' {
		return headNone
	}
	level := letterLevel(b[1])
	pid, b := leadingNumber(b[3:])
	if level == "" || pid < 0 || len(b) < 3 || b[0] != ' ' || !p.clock.plausible(nano) {
		return headNone
	}
	tid, b := leadingNumber(b[1:])
	if tid < 0 || len(b) == 0 || b[0] != ']' {
		return headNone
	}
	switch p.file.Format {
	case FormatWorker:
		if p.file.PID != 0 && pid != p.file.PID {
			return headNone
		}
	case FormatDriver:
	case FormatContainer:
		p.containerComponent(b[1:], pid, dst)
	default:
		if dst.PID == 0 {
			dst.PID = pid
		}
	}
	dst.Time, dst.Level = nano, level
	dst.Copy = p.file.Output == "err" && copiedToErr(p.file.Component, level)
	return headCPP
}

// copiedToErr tells that a second sink of the C++ side has written this line to
// the .err file too.
func copiedToErr(c Component, level string) bool {
	switch c {
	case ComponentGCS, ComponentRaylet, ComponentWorker:
		return level == levelError || level == levelCritical || level == levelFatal
	}
	return false
}

// containerComponent reads the component in "] (raylet)", and the process in
// "] (python-core-worker-<worker id>)".
func (p *Parser) containerComponent(b []byte, pid int, dst *Line) {
	name := inParentheses(b)
	if name == nil {
		return
	}
	if dst.Component = componentNamed(name); dst.Component != "" {
		dst.PID = pid
	}
	if len(name) <= workerIDLen {
		return
	}
	wid := name[len(name)-workerIDLen:]
	if !isHex(wid) || !bytes.Contains(name, []byte("-core-")) {
		return
	}
	dst.WorkerID, dst.PID = p.intern.str(wid), pid
	dst.JobID = JobOfDriver(dst.WorkerID)
}

// inParentheses is the name in " (name)" at the start of b.
func inParentheses(b []byte) []byte {
	if len(b) < 4 || b[0] != ' ' || b[1] != '(' {
		return nil
	}
	end := bytes.IndexByte(b[:min(len(b), 128)], ')')
	if end < 3 {
		return nil
	}
	return b[2:end]
}

// componentNamed is the component that a process with RAY_LOG_TO_STDERR=1 names
// in its lines; "" if it is none of Ray's.
func componentNamed(name []byte) Component {
	switch {
	case bytes.Contains(name, []byte("-core-worker-")):
		return ComponentCoreWorker
	case bytes.Contains(name, []byte("-core-driver-")):
		return ComponentCoreDriver
	}
	return plainKinds[string(name)].component
}

// timeHead reads lines that begin with their time: Ray's Python components, the
// structured text form and whatever users make of Python's logging.
func (p *Parser) timeHead(line []byte, dst *Line) head {
	nano, n := p.clock.stamp(line)
	if n == 0 || !p.clock.plausible(nano) {
		return headNone
	}
	dst.Time, dst.Level = nano, levelAfterTime(line[n:])
	if n < len(line) && line[n] == '\t' {
		p.structuredText(line, dst)
	}
	if p.file.Format == FormatContainer && n < len(line) && (line[n] == '\t' || line[n] == ' ') { // a blank before Ray 2
		level := leadingWord(line[n+1:])
		dst.Component = componentNamed(inParentheses(line[n+1+len(level):]))
	}
	return headPython
}

// glogHead reads gRPC's "E1121 05:43:37.742374091      11 chttp2_server.cc:1059] …".
func (p *Parser) glogHead(line []byte, dst *Line) head {
	level := letterLevel(line[0])
	if level == "" {
		return headNone
	}
	nano, n := p.clock.glog(line[1:])
	if n == 0 || !p.clock.plausible(nano) {
		return headNone
	}
	dst.Time, dst.Level = nano, level
	return headGlog
}

// wordHead reads "INFO 2026-11-21 05:15:41,938 shop_Price …" and "INFO:name:…".
func (p *Parser) wordHead(line []byte, dst *Line) head {
	word := leadingWord(line)
	level := wordLevel(word)
	if level == "" || len(word) == len(line) {
		return headNone
	}
	b := line[len(word):]
	switch b[0] {
	case ':':
		dst.Level = level
		return headLevel
	case ' ':
		nano, n := p.clock.stamp(b[1:])
		if n == 0 || !p.clock.plausible(nano) {
			return headNone
		}
		dst.Time, dst.Level = nano, level
		p.serveText(b[1+n:], dst)
		return headServe
	}
	return headNone
}

// leadingNumber reads the digits b begins with; -1 if there are none.
func leadingNumber(b []byte) (int, []byte) {
	n, i := 0, 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' && i < 10 {
		n = n*10 + int(b[i]-'0')
		i++
	}
	if i == 0 {
		return -1, b
	}
	return n, b[i:]
}
