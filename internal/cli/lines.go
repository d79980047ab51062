package cli

import (
	"bufio"
	"encoding/json"
	"hash/fnv"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

// printer writes log lines the way --output says.
type printer struct {
	out                      *bufio.Writer
	output                   string
	colored                  bool
	terminal                 bool
	zone                     *time.Location
	lines                    int
	componentWidth, whoWidth int // of the columns
}

func newPrinter(a *app, out *bufio.Writer, output, color string) *printer {
	terminal := a.width > 0
	colored := terminal && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
	switch color {
	case "always":
		colored = true
	case "never":
		colored = false
	}
	return &printer{out: out, output: output, colored: colored, terminal: terminal, zone: a.now().Location(), componentWidth: 6, whoWidth: 8}
}

// print writes some lines, aligned with each other and those before.
func (p *printer) print(lines []client.Line) error {
	if p.output == "text" {
		p.align(lines)
	}
	for i := range lines {
		if err := p.line(&lines[i]); err != nil {
			return err
		}
	}
	return nil
}

// align widens the columns, up to a limit, to what they have to hold.
func (p *printer) align(lines []client.Line) {
	for i := range lines {
		component, who := columns(&lines[i])
		p.componentWidth = min(max(p.componentWidth, utf8.RuneCountInString(component)), 15)
		p.whoWidth = min(max(p.whoWidth, utf8.RuneCountInString(who)), 22)
	}
}

func (p *printer) line(l *client.Line) error {
	p.lines++
	switch p.output {
	case "raw":
		p.out.WriteString(l.Line)
		return p.out.WriteByte('\n')
	case "json":
		return p.json(l)
	default:
		return p.text(l)
	}
}

func (p *printer) json(l *client.Line) error {
	labels := l.Stream.Map()
	for _, ls := range []logs.Labels{l.Metadata, l.Parsed} {
		maps.Copy(labels, ls.Map())
	}
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Time   string            `json:"time"`
		Labels map[string]string `json:"labels"`
		Line   string            `json:"line"`
	}{time.Unix(0, l.Time).UTC().Format(time.RFC3339Nano), labels, l.Line})
}

// The colours of a terminal, by what they show.
const (
	colorDim     = "\x1b[2m"
	colorRed     = "\x1b[31m"
	colorBoldRed = "\x1b[1;31m"
	colorYellow  = "\x1b[33m"
	colorOff     = "\x1b[0m"
)

var levelColors = map[string]string{
	"trace": colorDim, "debug": colorDim, "warn": colorYellow, "error": colorRed, "critical": colorBoldRed, "fatal": colorBoldRed,
}

// componentColors are those that read well on dark and on light.
var componentColors = []string{"\x1b[32m", "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[92m", "\x1b[94m", "\x1b[95m", "\x1b[96m"}

// text writes time, component, who and the line in columns.
func (p *printer) text(l *client.Line) error {
	component, who := columns(l)
	p.colour(colorDim, time.Unix(0, l.Time).In(p.zone).Format("2006-01-02 15:04:05.000"))
	p.out.WriteString("  ")
	p.colour(colorOf(component), pad(component, p.componentWidth))
	p.out.WriteString("  ")
	p.colour(colorDim, pad(shorten(who, p.whoWidth), p.whoWidth))
	p.out.WriteString("  ")
	line := l.Line
	if p.terminal {
		line = printable(line, p.colored)
	}
	p.colour(levelColors[l.Label("detected_level")], line)
	return p.out.WriteByte('\n')
}

func (p *printer) colour(color, s string) {
	if !p.colored || color == "" {
		p.out.WriteString(s)
		return
	}
	p.out.WriteString(color)
	p.out.WriteString(s)
	p.out.WriteString(colorOff)
}

func colorOf(component string) string {
	h := fnv.New32a()
	h.Write([]byte(component))
	return componentColors[h.Sum32()%uint32(len(componentColors))]
}

// columns says what wrote a line and who was at work, as short as it is clear.
func columns(l *client.Line) (component, who string) {
	component = l.Label("component")
	if component == "" { // not a line of Ray
		if file := l.Label("service_name"); file != "" {
			return file, l.Label("job")
		}
		return l.Stream.String(), ""
	}
	who = first(l.Label("replica"), l.Label("actor_name"), l.Label("task_name"), l.Label("submission_id"), short(l.Label("worker_id")))
	if who == "" {
		return component, first(l.Label("pod"), l.Label("node_ip"), short(l.Label("node_id")))
	}
	if pid := l.Label("pid"); pid != "" {
		who += ":" + pid
	}
	return component, who
}

// short is the part of one of Ray's ids that tells it from others on a screen.
func short(id string) string { return id[:min(8, len(id))] }

// shorten keeps the end, where names of replicas, submissions and pids differ.
func shorten(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return "…" + string(r[len(r)-width+1:])
}

func pad(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n > width {
		return shorten(s, width)
	}
	return s + strings.Repeat(" ", width-n)
}

// printable makes a line safe for a terminal: of the control characters only
// tabs and, where wanted, colours reach it.
func printable(s string, colors bool) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 && s[i] != '\t' || s[i] >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := colorSequence(s[i:]); n > 0 {
			if colors {
				b.WriteString(s[i : i+n])
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case r == '\r' && i+1 == len(s):
		case r < 0x20:
			b.WriteRune('␀' + r)
		case r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	if colors && strings.Contains(s, "\x1b[") {
		b.WriteString(colorOff)
	}
	return b.String()
}

// colorSequence returns the length of the colour sequence that s begins with.
func colorSequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s) && i < 32; i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}
