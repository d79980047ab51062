// Package convert turns the configuration of another log agent, Fluent Bit or
// Grafana Alloy, into the agent's own YAML.
//
// Invariant: nothing is lost in silence. Each setting that was read is either in
// the YAML or has a Note that says what became of it and why.
package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Kind is the language of a configuration file.
type Kind uint8

// The kinds.
const (
	Unknown       Kind = iota
	Remora             // the agent's own YAML
	FluentBit          // Fluent Bit's classic form: [INPUT] …
	FluentBitYAML      // Fluent Bit's YAML form: pipeline: inputs: …
	Alloy              // Grafana Alloy: loki.write "name" { … }
)

func (k Kind) String() string {
	return [...]string{"unknown", "remora-agent", "Fluent Bit", "Fluent Bit (YAML)", "Grafana Alloy"}[k]
}

// Foreign reports whether a file of this kind needs Convert.
func (k Kind) Foreign() bool { return k >= FluentBit }

// Fate is what became of a setting.
type Fate uint8

// The fates.
const (
	Kept    Fate = iota // does the same
	Changed             // does something else; the note says what
	Left                // not carried; the note says why
)

func (f Fate) String() string { return [...]string{"kept", "changed", "not carried"}[f] }

// Pos is where a setting stands; lines and columns count from one.
type Pos struct {
	File         string
	Line, Column int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Note says what became of one setting. It never holds a secret.
type Note struct {
	Pos  Pos
	Fate Fate
	What string // the setting: "tail Path_Key"
	Why  string
}

func (n Note) String() string {
	s := n.Pos.String() + ": " + n.Fate.String() + ": " + n.What
	if n.Why != "" {
		s += ": " + n.Why
	}
	return s
}

// Error is a mistake in the file that is converted.
type Error struct {
	Pos Pos
	Msg string
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

func errorAt(p Pos, format string, args ...any) error {
	return &Error{Pos: p, Msg: fmt.Sprintf(format, args...)}
}

// Convert reads the configuration in text, which is what the file name holds, and
// returns the YAML that does the same, with a comment for each setting. Files that
// it includes are looked for beside name. An error names file, line and column.
func Convert(name string, text []byte) (yaml []byte, notes []Note, err error) {
	return convert(name, text, files{dir: filepath.Dir(name)})
}

func convert(name string, text []byte, beside files) ([]byte, []Note, error) {
	if len(text) > maxFile {
		return nil, nil, fmt.Errorf("%s: a configuration of %d bytes is beyond the limit of %d", name, len(text), maxFile)
	}
	kind := Detect(name, text)
	w := &writer{file: name}
	var err error
	switch kind {
	case FluentBit, FluentBitYAML:
		err = convertFluent(w, kind, name, text, &beside)
	case Alloy:
		err = convertAlloy(w, name, text)
	case Remora:
		err = fmt.Errorf("%s: this is remora-agent's own format: give it to --config as it is", name)
	default:
		err = fmt.Errorf("%s: neither Fluent Bit ([INPUT] …, or YAML with pipeline:) nor Grafana Alloy (loki.write \"name\" { … })", name)
	}
	if err != nil {
		return nil, nil, err
	}
	out, err := w.encode(kind)
	return out, w.notes, err
}

// checkText tells where a file is not UTF-8.
func checkText(name string, text []byte) error {
	line, column := 1, 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			return errorAt(Pos{name, line, column}, "this byte is not UTF-8")
		case r == '\n':
			line, column = line+1, 1
		default:
			column += n
		}
		text = text[n:]
	}
	return nil
}

var (
	fluentYAML  = regexp.MustCompile(`(?m)^(?:pipeline|parsers|multiline_parsers|service|includes):`)
	fluentInner = regexp.MustCompile(`(?m)^\s+(?:inputs|outputs|filters):`)
	ownYAML     = regexp.MustCompile(`(?m)^(?:sources|outputs|cluster|state|listen|labels|metadata|pipeline):`)
	alloyBlock  = regexp.MustCompile(`(?m)^\s*[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)*(?:\s+"[^"\n]*")?\s*\{`)
)

// Detect tells in which language text is written; name counts only for its ending.
func Detect(name string, text []byte) Kind {
	text = text[:min(len(text), maxFile)]
	switch strings.ToLower(filepath.Ext(name)) {
	case ".alloy", ".river":
		return Alloy
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		if sectionLine.MatchString(line) || line[0] == '@' {
			return FluentBit
		}
		break
	}
	switch {
	case fluentInner.Match(text) && fluentYAML.Match(text):
		return FluentBitYAML
	case ownYAML.Match(text):
		return Remora
	case alloyBlock.Match(text):
		return Alloy
	}
	return Unknown
}

const (
	maxFile  = 1 << 20 // bytes of one file
	maxFiles = 64      // read in all, included ones among them
)

// files reads what a configuration includes.
type files struct {
	dir  string // "" allows none
	read int
}

// match lists the files that pattern names, beside the first file unless absolute.
func (f *files) match(pattern string) ([]string, error) {
	if f.dir == "" {
		return nil, fmt.Errorf("%q: files cannot be included here", pattern)
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(f.dir, pattern)
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", pattern, err)
	}
	if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
		return nil, fmt.Errorf("%s is not there: it is looked for beside the file that includes it", pattern)
	}
	return found, nil
}

// open reads one regular file.
func (f *files) open(name string) ([]byte, error) {
	if f.read++; f.read > maxFiles {
		return nil, fmt.Errorf("more than %d files are included", maxFiles)
	}
	i, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", name, maxFile)
	}
	return os.ReadFile(name)
}
