package inspect

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/ray"
)

const (
	maxGroups = 2000 // different errors remembered
	maxListed = 200
	maxText   = 400 // bytes of a line that are shown
	maxKey    = 160 // bytes of it that tell errors apart
	maxFiles  = 100 // files of one kind that are counted
)

// errorGroups counts complaints that differ in numbers and ids only.
type errorGroups struct {
	groups map[string]*group
	lost   int // different ones beyond maxGroups
}

type group struct {
	Error
	span  span
	files map[string]bool
}

// pending is an error record whose last lines are still to come: a traceback's
// last line says what it is.
type pending struct {
	active    bool
	text      string
	cause     string
	level     string
	time      int64
	traceback bool // the record is nothing but a traceback
}

// complain follows error records: their first line, and the exception that ends
// their traceback.
func (r *reader) complain(line []byte, l *ray.Line) {
	if l.Continuation {
		switch {
		case !r.open.active:
		case exceptionLine(line):
			r.open.cause = clip(message(line, r.file.Format))
		case r.open.cause == "" && strings.HasSuffix(r.open.text, ":") && !r.open.traceback:
			r.open.cause = clip(strings.TrimSpace(message(line, r.file.Format)))
		}
		return
	}
	r.finish()
	switch l.Level {
	case "error", "critical", "fatal":
	default:
		return
	}
	if l.Copy {
		return
	}
	said := message(line, r.file.Format)
	if stackFrame(said) {
		return
	}
	r.open = pending{active: true, text: clip(said), level: l.Level, time: l.Time}
	r.open.traceback = strings.HasPrefix(r.open.text, "Traceback (most recent call last):")
}

// finish counts the record that has come to its end.
func (r *reader) finish() {
	if !r.open.active {
		return
	}
	o := r.open
	r.open = pending{}
	if o.traceback && o.cause != "" {
		o.text, o.cause = o.cause, ""
	}
	r.s.errors.add(r, o)
}

func (e *errorGroups) add(r *reader, o pending) {
	key := string(r.file.Component) + "\x00" + pattern(o.text)
	g := e.groups[key]
	if g == nil {
		if len(e.groups) >= maxGroups {
			e.lost++
			return
		}
		g = &group{files: make(map[string]bool)}
		g.Error = Error{Text: o.text, Cause: o.cause, Level: o.level, Component: string(r.file.Component), Node: r.node.Name, Filename: r.file.Stream}
		e.groups[key] = g
	}
	g.Count++
	g.span.add(o.time)
	if len(g.files) < maxFiles {
		g.files[r.node.Name+"/"+r.file.Stream] = true
	}
	if g.Cause == "" {
		g.Cause = o.cause
	}
}

// list gives the groups, the most frequent first.
func (e *errorGroups) list() (errors []Error, more int) {
	errors = []Error{}
	for _, g := range e.groups {
		g.First, g.Last = g.span.times()
		g.Files = len(g.files)
		errors = append(errors, g.Error)
	}
	slices.SortFunc(errors, func(a, b Error) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareTimes(a.First, b.First), strings.Compare(a.Component, b.Component), strings.Compare(a.Text, b.Text))
	})
	more = e.lost
	if len(errors) > maxListed {
		more += len(errors) - maxListed
		errors = errors[:maxListed]
	}
	return errors, more
}

// stackFrame tells that a line is one of a native stack trace, each of which the
// C++ side logs as an error.
func stackFrame(s string) bool {
	return strings.HasPrefix(s, "@ ") || strings.HasPrefix(s, "PC: @")
}

// exceptionLine tells whether a continuation line can be the last of a traceback.
func exceptionLine(line []byte) bool {
	return len(line) > 0 && line[0] >= 'A' && !bytes.HasPrefix(line, []byte("Traceback")) &&
		!bytes.HasPrefix(line, []byte("During handling")) && !bytes.HasPrefix(line, []byte("The above exception"))
}

// message is what a line says behind its head.
func message(line []byte, format ray.Format) string {
	switch {
	case len(line) > 0 && line[0] == '[':
		if _, rest, ok := bytes.Cut(line, []byte("] ")); ok {
			line = rest
		}
		if len(line) > 0 && line[0] == '(' {
			if _, rest, ok := bytes.Cut(line, []byte(") ")); ok {
				line = rest
			}
		}
		line = bytes.TrimPrefix(cutSource(line, ": "), []byte(":info_message: "))
	case len(line) > 0 && line[0] == '{':
		if m := jsonMember(line, `"message":`); m != nil {
			return strings.NewReplacer(`\n`, " ", `\t`, " ", `\"`, `"`).Replace(string(m))
		}
	case len(line) > 0 && (line[0] >= '0' && line[0] <= '9' || format == ray.FormatServe || bytes.HasPrefix(line, []byte("ERROR "))):
		if head, rest, ok := bytes.Cut(line, []byte(" -- ")); ok && len(head) < 200 {
			line = rest
		}
	}
	if i := bytes.Index(line, []byte("Check failed: ")); i > 0 {
		line = line[i:] // the words before it are the same for every check
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(stripColour(line)), "�"))
}

// cutSource takes "file.cc:123: " off.
func cutSource(line []byte, sep string) []byte {
	head, rest, ok := bytes.Cut(line, []byte(sep))
	if !ok || len(head) > 80 || bytes.IndexByte(head, ' ') >= 0 || bytes.IndexByte(head, '.') < 0 {
		return line
	}
	return rest
}

// jsonMember is the string behind key in a line of JSON, with its escapes.
func jsonMember(line []byte, key string) []byte {
	_, rest, ok := bytes.Cut(line, []byte(key))
	if !ok {
		return nil
	}
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) == 0 || rest[0] != '"' {
		return nil
	}
	rest = rest[1:]
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return rest[:i]
		}
	}
	return nil
}

// stripColour takes ANSI sequences out.
func stripColour(b []byte) []byte {
	if bytes.IndexByte(b, 0x1b) < 0 {
		return b
	}
	var out []byte
	for i := 0; i < len(b); i++ {
		if b[i] != 0x1b {
			out = append(out, b[i])
			continue
		}
		for i++; i < len(b) && (b[i] < 'A' || b[i] > 'z' || b[i] == '['); i++ {
			continue
		}
	}
	return out
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// pattern is s with its numbers and ids taken out.
func pattern(s string) string {
	if len(s) > maxKey {
		s = s[:maxKey]
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		digit := false
		for j < len(s) && isWordByte(s[j]) {
			digit = digit || s[j] >= '0' && s[j] <= '9'
			j++
		}
		switch {
		case j == i:
			b.WriteByte(s[i])
			j++
		case digit:
			b.WriteByte('#')
		default:
			b.WriteString(s[i:j])
		}
		i = j
	}
	return b.String()
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
