package detect

import (
	"strconv"
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// levelNames are names of labels, metadata and fields that hold a level, in the
// order in which they are looked at.
var levelNames = []string{
	"level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "lvl", "LVL", "Lvl",
	"severity_text", "Severity_Text", "SEVERITY_TEXT",
}

// LevelNames are the names that hold a level, in order.
func LevelNames() []string { return append([]string(nil), levelNames...) }

// levels are the words for each level as fields have them.
var levels = map[string]string{
	"trace": "trace", "trc": "trace", "debug": "debug", "dbg": "debug", "info": "info", "inf": "info", "information": "info",
	"warn": "warn", "wrn": "warn", "warning": "warn", "error": "error", "err": "error", "critical": "critical", "fatal": "fatal",
}

// Level tells the level of a line: what its metadata says it is, else what a
// label or metadata named like a level says, else OpenTelemetry's number, else
// what stands in the line.
func Level(stream, metadata logs.Labels, line string) string {
	if v := metadata.Get(LevelName); v != "" {
		return spelled(v, v)
	}
	for _, labels := range []logs.Labels{stream, metadata} {
		for _, name := range levelNames {
			if v := labels.Get(name); v != "" {
				return spelled(v, v)
			}
		}
	}
	if v := metadata.Get("severity_number"); v != "" {
		return numbered(v)
	}
	return lineLevel(line)
}

// spelled is the usual word for a level, or otherwise for a word that is none.
func spelled(word, otherwise string) string {
	var buf [16]byte
	if len(word) > len(buf) {
		return otherwise
	}
	for i := range len(word) {
		buf[i] = lower(word[i])
	}
	if level, ok := levels[string(buf[:len(word)])]; ok {
		return level
	}
	return otherwise
}

// numbered is the level of OpenTelemetry's severity number.
func numbered(text string) string {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return "info"
	case n < 1 || n > 24:
		return Unknown
	}
	return []string{"trace", "debug", "info", "warn", "error", "fatal"}[(n-1)/4]
}

func lineLevel(line string) string {
	level := ""
	if object := strings.TrimLeft(line, " \t\r\n"); strings.HasPrefix(object, "{") {
		level = jsonLevel(object)
	} else if strings.Contains(line, "=") {
		level = logfmtLevel(line)
	}
	if level == "" {
		level = wordLevel(line)
	}
	return level
}

// jsonLevel is the first text under one of the names in the object or in an
// object inside it; "" where that is no level or the line is not JSON.
func jsonLevel(line string) string {
	found, word := false, ""
	ok := eachField(line, maxLevelDepth, func(path []string, f Field) bool {
		if f.Kind != String || found {
			return true
		}
		for _, name := range levelNames {
			if path[len(path)-1] == name {
				found, word = true, f.Raw
				break
			}
		}
		return true
	})
	if !ok {
		return ""
	}
	return spelled(word, "")
}

// maxLevelDepth is how deep in an object a level is looked for.
const maxLevelDepth = 2

// logfmtLevel is the value of the first of the names; "" where it is no level.
func logfmtLevel(line string) string {
	best, word := len(levelNames), ""
	eachPair(line, false, func(key, value string) bool {
		for rank, name := range levelNames[:best] {
			if strings.EqualFold(key, name) {
				best, word = rank, value
				break
			}
		}
		return best > 0
	})
	return spelled(word, "")
}

// wordLevels are looked for in the text of a line, by their first letters.
var wordLevels = [256][]struct{ word, level string }{
	't': {{"trace", "trace"}},
	'd': {{"debug", "debug"}},
	'f': {{"fatal", "fatal"}},
	'c': {{"critical", "critical"}},
	'e': {{"error", "error"}, {"err", "error"}},
	'w': {{"warning", "warn"}, {"warn", "warn"}},
	'i': {{"info", "info"}},
}

// What may stand before and after a word that is a level.
var beforeWord, afterWord = byteSet(" \t\n\"([{="), byteSet(" \t\n\"()[]{}=!,:")

func byteSet(chars string) (set [256]bool) {
	for _, c := range []byte(chars) {
		set[c] = true
	}
	return set
}

// wordLevel is the first level that stands in the line as a word of its own.
func wordLevel(line string) string {
	begins := true
	for i := 0; i < len(line); i++ {
		if !begins {
			begins = beforeWord[line[i]]
			continue
		}
		for _, w := range wordLevels[lower(line[i])] {
			end := i + len(w.word)
			if end <= len(line) && (end == len(line) || afterWord[line[end]]) && strings.EqualFold(line[i:end], w.word) {
				return w.level
			}
		}
		begins = beforeWord[line[i]]
	}
	return Unknown
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
