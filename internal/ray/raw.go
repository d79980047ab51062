package ray

import "bytes"

var (
	tracebackHead = []byte("Traceback (most recent call last):")
	fatalPython   = []byte("Fatal Python error: ")
	tqdmHead      = []byte(`{"__magic_token__"`)
	chained       = [][]byte{
		[]byte("During handling of the above exception, another exception occurred:"),
		[]byte("The above exception was the direct cause of the following exception:"),
	}
)

// rawLine follows output that anyone may have written: only tracebacks, and
// indented lines below a record with a head, continue another line.
func (p *Parser) rawLine(h head, line []byte, dst *Line) {
	if h != headNone {
		p.s.block, p.s.level = blockRecord, dst.Level
		return
	}
	switch {
	case bytes.HasPrefix(line, tracebackHead):
		dst.Continuation = p.s.block != blockNone
		p.s.block, p.s.level = blockTraceback, levelError
	case bytes.HasPrefix(line, fatalPython):
		p.s.block, p.s.level = blockRecord, levelFatal
	case p.s.block == blockNone:
		dst.Magic = p.file.Format == FormatWorker && bytes.HasPrefix(line, tqdmHead)
		return
	case len(line) > 0 && (line[0] == ' ' || line[0] == '\t'), p.continues(line):
		dst.Continuation = true
	default:
		p.s.block, p.s.level = blockNone, ""
		return
	}
	dst.Level = p.s.level
}

// continues tells whether a line that is not indented belongs to the traceback
// before it.
func (p *Parser) continues(line []byte) bool {
	switch p.s.block {
	case blockTraceback:
		if len(line) > 0 { // the exception itself
			p.s.block = blockException
		}
		return true
	case blockException:
		if isChained(line) {
			p.s.block = blockTraceback
			return true
		}
		return len(line) == 0
	}
	return false
}

func isChained(line []byte) bool {
	for _, c := range chained {
		if bytes.HasPrefix(line, c) {
			return true
		}
	}
	return false
}
