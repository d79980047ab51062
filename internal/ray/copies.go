package ray

import "bytes"

// isDriverCopy tells whether line begins with the mark of a copy that Ray prints
// in a driver's output: "(f pid=12) …", "(Actor pid=12, ip=10.0.0.4) …",
// "(raylet) …", "(autoscaler +8s) …", coloured or not.
func isDriverCopy(line []byte) bool {
	b := skipColour(line)
	if len(b) < 4 || b[0] != '(' {
		return false
	}
	if len(b) > 512 {
		b = b[:512]
	}
	for _, who := range copyMarks {
		if bytes.HasPrefix(b[1:], who) {
			switch next := b[1+len(who):]; {
			case len(next) > 0 && (next[0] == ')' || next[0] == ',' || next[0] == ' '):
				return bytes.IndexByte(next, ')') >= 0
			}
		}
	}
	i := bytes.Index(b, copyPID)
	if i < 0 {
		return false
	}
	pid, rest := leadingNumber(b[i+len(copyPID):])
	return pid >= 0 && len(rest) > 0 && (rest[0] == ')' || rest[0] == ',')
}

// copiedPID is the pid in the mark of a copy from the driver's own node, 0 for
// every other line.
func copiedPID(line []byte) int {
	i := bytes.Index(line, copyPID)
	if i < 0 {
		return 0
	}
	pid, rest := leadingNumber(line[i+len(copyPID):])
	if pid <= 0 || len(rest) == 0 || rest[0] != ')' {
		return 0 // ", ip=" names another node
	}
	return pid
}

var copyPID = []byte(" pid=")

var copyMarks = [][]byte{[]byte("raylet"), []byte("autoscaler"), []byte("gcs_server")}

// skipColour passes over one ANSI colour sequence.
func skipColour(b []byte) []byte {
	if len(b) < 3 || b[0] != 0x1b || b[1] != '[' {
		return b
	}
	for i := 2; i < len(b) && i < 16; i++ {
		if b[i] == 'm' {
			return b[i+1:]
		}
	}
	return b
}

// isIndentedCPP tells whether line is one of the raylet's last lines that the
// dashboard agent repeats, four blanks deep, when its raylet is gone.
func isIndentedCPP(line []byte) bool {
	return len(line) > 40 && string(line[:5]) == "    [" && line[9] == '-' && line[12] == '-' && line[15] == ' ' && line[18] == ':'
}
