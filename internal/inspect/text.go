package inspect

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// TextOptions say how a summary is written for people.
type TextOptions struct {
	Width int  // columns of the terminal; 0 means 120
	All   bool // every actor, worker and error, not only the first few
}

// Rows of the longer tables that are shown unless All is set.
const (
	shownNames  = 12
	shownErrors = 15
)

// WriteText writes the summary for people.
func (s *Summary) WriteText(w io.Writer, opt TextOptions) error {
	if opt.Width <= 0 {
		opt.Width = 120
	}
	t := &text{w: w, opt: opt}
	for i := range s.Sessions {
		if i > 0 {
			t.line("")
		}
		t.session(&s.Sessions[i])
	}
	if s.Outside != nil {
		t.line("")
		t.line("Beside the sessions: %s, %s, %s", plural(s.Outside.Files, "file"), plural(int(s.Outside.Lines), "line"), size(s.Outside.Bytes))
		t.errors(s.Outside)
	}
	return t.err
}

// text writes lines until the first error.
type text struct {
	w   io.Writer
	opt TextOptions
	err error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, strings.TrimRight(format, " ")+"\n", args...)
	}
}

func (t *text) session(s *Session) {
	version := "Ray version not told"
	if s.RayVersion != "" {
		version = "Ray " + s.RayVersion
	}
	t.line("%s · %s", s.Name, version)
	when := "no time stamps"
	if s.Start != nil {
		when = fmt.Sprintf("%s to %s UTC (%s)", s.Start.Format("2006-01-02 15:04:05"), endOf(*s.Start, *s.End), duration(s.End.Sub(*s.Start)))
	}
	t.line("%s · %s · %s · %s · %s", when, plural(len(s.Nodes), "node"), plural(s.Files, "file"), plural(int(s.Lines), "line"), size(s.Bytes))
	t.nodes(s)
	t.components(s)
	t.jobs(s)
	t.submitted(s)
	t.actors(s)
	t.workers(s)
	t.errors(s)
}

func (t *text) nodes(s *Session) {
	rows := [][]string{{"NODE", "ID", "", "FILES", "LINES", "BYTES", "WORKERS", "FROM", "TO"}}
	for _, n := range s.Nodes {
		name, role := n.Name, ""
		if n.Head && name != "head" {
			role = "head"
		}
		if name == "" {
			name, role = role, ""
		}
		var ids []string
		for _, id := range n.IDs {
			ids = append(ids, short(id))
		}
		rows = append(rows, []string{
			orDash(name), orDash(strings.Join(ids, ",")), role, count(n.Files), count(int(n.Lines)), size(n.Bytes), count(n.Workers), clock(n.Start), clock(n.End),
		})
	}
	t.table("Nodes", rows, "lllrrrrll")
}

func (t *text) components(s *Session) {
	rows := [][]string{{"COMPONENT", "FILES", "EMPTY", "ROTATED", "LINES", "BYTES", "WARNINGS", "ERRORS"}}
	for _, c := range s.Components {
		rows = append(rows, []string{
			c.Name, count(c.Files), zero(c.Empty), zero(c.Rotated), count(int(c.Lines)), size(c.Bytes), zero(int(c.Warnings)), zero(int(c.Errors)),
		})
	}
	t.table("Files", rows, "lrrrrrrr")
	if len(s.Skipped) > 0 {
		why := make(map[string]int)
		for _, k := range s.Skipped {
			why[k.Why]++
		}
		var parts []string
		for _, k := range sortedKeys(why) {
			parts = append(parts, fmt.Sprintf("%s: %d", k, why[k]))
		}
		t.line("  and %s without lines (%s)", plural(len(s.Skipped), "file"), strings.Join(parts, ", "))
	}
}

func (t *text) jobs(s *Session) {
	if len(s.Jobs) == 0 {
		t.none("Jobs", "no driver has connected")
		return
	}
	rows := [][]string{{"JOB", "DRIVER PID", "FROM", "TO", "WORKERS", "ACTORS", "SUBMISSION"}}
	for _, j := range s.Jobs {
		pid := orDash("")
		if j.DriverPID != 0 {
			pid = fmt.Sprint(j.DriverPID)
		}
		what := j.SubmissionID
		if j.Of != "" {
			what = "Ray's own (" + j.Of + ")"
		}
		rows = append(rows, []string{j.ID, pid, clock(j.Start), clock(j.End), zero(j.Workers), zero(j.Actors), what})
	}
	t.table("Jobs", rows, "lrllrrl")
}

func (t *text) submitted(s *Session) {
	if len(s.Submitted) == 0 {
		return
	}
	rows := [][]string{{"SUBMISSION", "STATUS", "FROM", "TO", "LINES"}}
	for _, j := range s.Submitted {
		rows = append(rows, []string{j.ID, orDash(j.Status), clock(j.Start), clock(j.End), count(int(j.Lines))})
	}
	t.table("Submitted jobs", rows, "llllr")
}

// actors groups actors by class: a session may have thousands of one.
func (t *text) actors(s *Session) {
	if len(s.Actors) == 0 {
		return
	}
	type class struct{ job, name string }
	type total struct{ actors, processes int }
	totals := make(map[class]*total)
	var order []class
	for _, a := range s.Actors {
		k := class{a.JobID, a.Name}
		if totals[k] == nil {
			totals[k] = &total{}
			order = append(order, k)
		}
		totals[k].actors++
		totals[k].processes += len(a.Workers)
	}
	rows := [][]string{{"ACTOR CLASS", "JOB", "ACTORS", "PROCESSES"}}
	for _, k := range order {
		rows = append(rows, []string{orDash(k.name), k.job, count(totals[k].actors), count(totals[k].processes)})
	}
	t.cutTable("Actors", rows, "llrr", shownNames)
}

func (t *text) workers(s *Session) {
	if len(s.Workers) == 0 {
		return
	}
	perJob := make(map[string]int)
	for _, w := range s.Workers {
		perJob[w.JobID]++
	}
	var parts []string
	for _, j := range sortedKeys(perJob) {
		name := "job " + j
		if j == "" {
			name = "no job told"
		}
		parts = append(parts, fmt.Sprintf("%d of %s", perJob[j], name))
	}
	t.line("")
	t.line("Workers  %s: %s", plural(len(s.Workers), "process"), t.list(parts))
	for _, e := range s.Exits {
		t.line("  %d ended with %s", e.Workers, e.Type)
	}
	if !t.opt.All {
		return
	}
	rows := [][]string{{"WORKER", "PID", "NODE", "JOB", "ACTOR", "LINES", "EXIT"}}
	for _, w := range s.Workers {
		rows = append(rows, []string{short(w.ID), fmt.Sprint(w.PID), short(w.NodeID), w.JobID, short(w.ActorID), count(int(w.Lines)), w.Exit})
	}
	t.table("", rows, "lrlllrl")
}

// list joins parts, the first few of many.
func (t *text) list(parts []string) string {
	if len(parts) > shownNames && !t.opt.All {
		return strings.Join(parts[:shownNames], ", ") + fmt.Sprintf(", and %d more", len(parts)-shownNames)
	}
	return strings.Join(parts, ", ")
}

func (t *text) errors(s *Session) {
	if len(s.Errors) == 0 {
		t.none("Errors", "none")
		return
	}
	rows := [][]string{{"COUNT", "FIRST", "WHERE", "TEXT"}}
	shown := s.Errors
	if !t.opt.All && len(shown) > shownErrors {
		shown = shown[:shownErrors]
	}
	for _, e := range shown {
		where := e.Component
		if e.Files > 1 {
			where += fmt.Sprintf(" (%d files)", e.Files)
		}
		txt := oneLine(e.Text)
		if e.Cause != "" {
			txt += " ← " + oneLine(e.Cause)
		}
		rows = append(rows, []string{count(int(e.Count)), clock(e.First), where, txt})
	}
	t.table("Errors by first line", rows, "rlll")
	if more := len(s.Errors) - len(shown) + s.MoreErrors; more > 0 {
		t.line("  and %d more kinds (--all shows them)", more)
	}
}

func (t *text) none(title, what string) {
	t.line("")
	t.line("%s  %s", title, what)
}

func (t *text) cutTable(title string, rows [][]string, align string, limit int) {
	more := 0
	if !t.opt.All && len(rows)-1 > limit {
		more = len(rows) - 1 - limit
		rows = rows[:limit+1]
	}
	t.table(title, rows, align)
	if more > 0 {
		t.line("  and %d more (--all shows them)", more)
	}
}

// table writes rows in columns, the first row being their heads; align has an l
// or r for each. The last column is cut at the terminal's edge.
func (t *text) table(title string, rows [][]string, align string) {
	if title != "" {
		t.line("")
		t.line("%s", title)
	}
	widths := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString("  ")
		used := 2
		for i, cell := range row {
			n := utf8.RuneCountInString(cell)
			pad := strings.Repeat(" ", widths[i]-n)
			switch {
			case align[i] == 'r':
				cell = pad + cell
			case i < len(row)-1:
				cell += pad
			default:
				cell = cut(cell, t.opt.Width-used)
			}
			b.WriteString(cell)
			b.WriteString("  ")
			used += widths[i] + 2
		}
		t.line("%s", strings.TrimRight(b.String(), " "))
	}
}

func cut(s string, n int) string {
	if n < 20 {
		n = 20
	}
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}

// oneLine shows control characters as blanks.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

func short(id string) string {
	if len(id) <= 8 {
		return orDash(id)
	}
	return id[:8]
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func clock(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return t.Format("15:04:05")
}

// endOf leaves the date out where it is that of the start.
func endOf(start, end time.Time) string {
	if start.Format(time.DateOnly) == end.Format(time.DateOnly) {
		return end.Format("15:04:05")
	}
	return end.Format("2006-01-02 15:04:05")
}

func duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// count writes a number with its thousands set apart.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func zero(n int) string {
	if n == 0 {
		return "–"
	}
	return count(n)
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return count(n) + " " + what + "es"
	}
	return count(n) + " " + what + "s"
}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
