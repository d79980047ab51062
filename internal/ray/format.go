// Package ray is what we know about Ray's logs, as data and pure functions: file
// names, sessions, line formats, ids. It depends on the standard library only
// and does no I/O.
//
// Its invariant: a value is given only where Ray's own files tell it. What they
// leave open is "", never a guess.
package ray

// Format is a family of line formats. Every file may hold lines of other
// families too; the family decides whose word is taken for what.
type Format uint8

// The families.
const (
	FormatRaw       Format = iota // nothing to expect
	FormatCPP                     // [2026-11-21 05:06:01,604 I 13 13] (gcs_server) file.cc:1: …, or the same as JSON
	FormatPython                  // 2026-11-21 05:06:01,604<TAB>INFO file.py:1 -- …
	FormatWorker                  // a worker process's output: anything, and Ray's magic lines
	FormatDriver                  // a driver's output: anything, and copies of its workers' output
	FormatServe                   // INFO 2026-11-21 05:06:01,604 app_Deployment replica … -- …, or JSON
	FormatEvent                   // one JSON event a line
	FormatExport                  // one JSON export event a line, ids in base64
	FormatContainer               // standard output of `ray start`
)

var formatNames = [...]string{"raw", "cpp", "python", "worker", "driver", "serve", "event", "export", "container"}

func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "unknown"
}
