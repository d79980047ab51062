package ray

// Levels in Loki's words.
const (
	levelTrace    = "trace"
	levelDebug    = "debug"
	levelInfo     = "info"
	levelWarn     = "warn"
	levelError    = "error"
	levelCritical = "critical"
	levelFatal    = "fatal"
)

// letterLevel reads the one letter that the C++ side of Ray writes; its FATAL is
// spdlog's critical and ends the process.
func letterLevel(c byte) string {
	switch c {
	case 'T':
		return levelTrace
	case 'D':
		return levelDebug
	case 'I':
		return levelInfo
	case 'W':
		return levelWarn
	case 'E':
		return levelError
	case 'C':
		return levelCritical
	case 'F':
		return levelFatal
	}
	return ""
}

// wordLevel reads Python's level names and those of Ray's events.
func wordLevel(w []byte) string {
	switch string(w) {
	case "INFO":
		return levelInfo
	case "DEBUG":
		return levelDebug
	case "WARNING", "WARN":
		return levelWarn
	case "ERROR":
		return levelError
	case "CRITICAL":
		return levelCritical
	case "FATAL":
		return levelFatal
	case "TRACE":
		return levelTrace
	}
	return ""
}

// spelledLevel reads a level that a user's logger wrote, in capitals or not.
func spelledLevel(w []byte) string {
	if len(w) > 8 {
		return ""
	}
	var capitals [8]byte
	for i, c := range w {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		capitals[i] = c
	}
	return wordLevel(capitals[:len(w)])
}

// anyLevel reads either form, as the JSON lines have both.
func anyLevel(w []byte) string {
	if len(w) == 1 {
		return letterLevel(w[0])
	}
	return wordLevel(w)
}

// levelCodes order the levels in a saved state.
var levelCodes = [...]string{"", levelTrace, levelDebug, levelInfo, levelWarn, levelError, levelCritical, levelFatal}

// leadingWord is the run of capitals that b begins with, at most 10 of them.
func leadingWord(b []byte) []byte {
	i := 0
	for i < len(b) && i < 10 && b[i] >= 'A' && b[i] <= 'Z' {
		i++
	}
	return b[:i]
}

// levelAfterTime finds the level in what follows a time stamp, for the orders
// that Python programs use: "\tINFO …", " [INFO] …", " - name - INFO - …",
// " name INFO …".
func levelAfterTime(b []byte) string {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '[' || b[0] == '-' || b[0] == '|') {
		b = b[1:]
	}
	if l := wordLevel(leadingWord(b)); l != "" {
		return l
	}
	i := 0
	for i < len(b) && i < 64 && isNameByte(b[i]) {
		i++
	}
	if i == 0 || i == len(b) || b[i] != ' ' {
		return ""
	}
	b = b[i+1:]
	if len(b) > 2 && b[0] == '-' && b[1] == ' ' {
		b = b[2:]
	}
	return wordLevel(leadingWord(b))
}

// isNameByte tells whether c can be in the name of a Python logger.
func isNameByte(c byte) bool {
	return c == '.' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
