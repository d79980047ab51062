package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

const tryUsage = `remora-agent try shows what would be sent of log files, and what would be dropped and why.

Usage:
  remora-agent try [flags] LOG…

Nothing is sent and nothing is kept. For each line it writes the time and the line,
and its stream labels and structured metadata where they are not those of the line
before. LOG is read by the source of the configuration that it belongs to, else as a
file of a Ray session; - or no LOG reads standard input. What only other files tell,
the node's id say, is not there.

Examples:
  remora-agent try --config agent.yaml /tmp/ray/session_latest/logs/raylet.out
  remora-agent try --config agent.yaml --as worker-1-01000000-42.err < sample.txt
  remora-agent try --config agent.yaml --output json /var/log/app/*.log | jq .dropped

Flags:
`

const tryNotes = `
Exit status: 0 done, 1 a file cannot be read or the configuration is wrong, 2 usage.
`

// trial tries lines on a configuration.
type trial struct {
	conf     *config.Config
	as       string // name to take a file for
	source   string // name of the source to take files for
	programs []program
	out      trialWriter
	sent     int
	dropped  map[string]int
}

// program is a pipeline and the outputs that have it.
type program struct {
	outputs []string
	output  *config.Output
}

func try(p *process, args []string) int {
	o := &options{}
	t := &trial{dropped: map[string]int{}}
	fs := flag.NewFlagSet("try", flag.ContinueOnError)
	o.register(fs)
	fs.StringVar(&o.file, "config", "", "YAML `FILE` with the configuration to try")
	output := fs.String("output", "text", "`FORMAT`: text, or json for an object a line")
	to := fs.String("to", "", "`NAME` of the output to try; all of them without it")
	fs.StringVar(&t.as, "as", "", "`PATH` that the lines are taken to be of")
	fs.StringVar(&t.source, "source", "", "`NAME` of the source that the files are taken to be of")
	rest, exit, done := p.arguments(fs, args, tryUsage, tryNotes)
	if done {
		return exit
	}
	if *output != "text" && *output != "json" {
		return p.usage("try", fmt.Errorf("--output is %q: give text or json", *output))
	}
	o.environment(p.env)
	var err error
	if t.conf, err = config.LoadAs(o.file, translated, p.env, o.apply, complete); err != nil {
		p.tell(err)
		return exitFailed
	}
	if err := t.choose(*to); err != nil {
		return p.usage("try", err)
	}
	t.out = trialWriter{w: p.stdout, json: *output == "json", several: len(t.programs) > 1}
	if err := t.files(p, rest); err != nil {
		p.tell(err)
		return exitFailed
	}
	fmt.Fprintln(p.stderr, t.summary())
	return exitDone
}

// complete gives what a trial does not need.
func complete(c *config.Config) error {
	if c.State == "" {
		c.State = "unused"
	}
	if len(c.Outputs) == 0 {
		c.Outputs = []config.Output{{Name: "main", Stdout: &ship.Stdout{}}}
	}
	return nil
}

// choose finds the pipelines there are to try.
func (t *trial) choose(to string) error {
	var names []string
	for i := range t.conf.Outputs {
		o := &t.conf.Outputs[i]
		names = append(names, o.Name)
		if to != "" && o.Name != to {
			continue
		}
		same := slices.IndexFunc(t.programs, func(p program) bool { return len(p.output.Pipeline) == 0 && len(o.Pipeline) == 0 })
		if same >= 0 {
			t.programs[same].outputs = append(t.programs[same].outputs, o.Name)
			continue
		}
		t.programs = append(t.programs, program{[]string{o.Name}, o})
	}
	if len(t.programs) == 0 {
		return fmt.Errorf("there is no output %q: there are %s", to, strings.Join(names, ", "))
	}
	for _, s := range t.conf.Sources {
		if s.Name == t.source {
			return nil
		}
	}
	if t.source != "" {
		return fmt.Errorf("there is no source %q", t.source)
	}
	return nil
}

func (t *trial) files(p *process, names []string) error {
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		if err := t.file(p, name); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) file(p *process, name string) error {
	in, written := p.stdin, time.Now()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if i, err := f.Stat(); err == nil {
			written = i.ModTime()
		}
		in = f
	}
	of, err := t.place(or(t.as, name))
	if err != nil {
		return err
	}
	if of.file.Skip != "" {
		fmt.Fprintf(p.stderr, "%s is not followed: %s\n", name, of.file.Skip)
		return nil
	}
	streams := make([]*parse.Stream, len(t.programs))
	for i, x := range t.programs {
		prog, err := t.conf.Program(x.output)
		if err != nil {
			return err
		}
		src := of.parse(t.conf)
		src.Stages = prog
		streams[i] = parse.New(src, parse.Loki)
	}
	t.out.begin(name, of.source)
	return lines(in, func(line []byte, at uint64, ended bool) (took int, err error) {
		for i, s := range streams {
			c := parse.Chunk{Data: line, At: at, Ended: ended, Now: time.Now().UnixNano(), Written: written.UnixNano()}
			if took, err = t.line(s, c, strings.Join(t.programs[i].outputs, ", ")); err != nil {
				return took, fmt.Errorf("%s: %w", name, err)
			}
		}
		return took, nil
	})
}

// line shows what becomes of a line, or of the pieces of a long one, and returns how
// many bytes that was.
func (t *trial) line(s *parse.Stream, c parse.Chunk, outputs string) (took int, err error) {
	for took < len(c.Data) {
		x := c
		x.Data, x.At = c.Data[took:], c.At+uint64(took)
		entries, r := s.Append(nil, x, 1<<30)
		if r.Consumed == 0 {
			break
		}
		push, err := loki.DecodePush(s.AppendStream(nil, entries, loki.FileRange{From: x.At, To: x.At + uint64(r.Consumed)}))
		if err != nil {
			return took, err
		}
		for _, x := range push.Streams {
			for _, e := range x.Entries {
				t.sent++
				t.out.entry(outputs, x.Labels, e)
			}
		}
		for reason, n := range r.Dropped {
			t.dropped[reason] += n
			t.out.drop(outputs, reason, bytes.TrimSuffix(x.Data[:r.Consumed], []byte("\n")))
		}
		took += r.Consumed
	}
	return took, t.out.err
}

func (t *trial) summary() string {
	var reasons []string
	all := 0
	for reason, n := range t.dropped {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, n))
		all += n
	}
	s := fmt.Sprintf("%d sent, %d dropped", t.sent, all)
	if all > 0 {
		slices.Sort(reasons)
		s += " (" + strings.Join(reasons, ", ") + ")"
	}
	return s
}

// lines calls do for each line with its end, and for the beginning of one that is
// longer than what the agent reads at once. do says how much it took.
func lines(r io.Reader, do func(line []byte, at uint64, ended bool) (took int, err error)) error {
	buf := make([]byte, 0, 2*parse.MaxLine)
	at := uint64(0)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return err
		}
		begin := 0
		for begin < len(buf) {
			line := buf[begin:]
			if end := bytes.IndexByte(line, '\n'); end >= 0 {
				line = line[:end+1]
			} else if !ended && len(line) < cap(buf) {
				break
			}
			took, err := do(line, at, ended)
			if err != nil {
				return err
			}
			if took == 0 {
				if took = len(line); !ended {
					return errors.New("a line is too long")
				}
			}
			begin, at = begin+took, at+uint64(took)
		}
		buf = buf[:copy(buf, buf[begin:])]
		if ended {
			return nil
		}
	}
}

// placed is a file and what its source says of it.
type placed struct {
	source  *config.Source
	session string
	file    discover.File
	head    bool
	known   bool // whether it is the head
}

// place finds the source of a path, and what the file is there.
func (t *trial) place(name string) (placed, error) {
	path := name
	if name == "-" {
		path = "/stdin"
	} else if abs, err := filepath.Abs(name); err == nil {
		path = abs
	}
	if strings.Contains(path, "/session_latest/") {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	for i := range t.conf.Sources {
		s := &t.conf.Sources[i]
		if t.source != "" && s.Name != t.source {
			continue
		}
		layout, err := s.Layout()
		if err != nil {
			return placed{}, err
		}
		if n := layout.Name(path); n != nil && !n.Entry {
			return placed{source: s, session: n.Session, file: layout.File(n.Session, n.Rel)}.withHead(path), nil
		}
		if t.source != "" && s.Files != nil {
			return placed{source: s, file: layout.File("", path)}, nil
		}
		if t.source != "" && s.Containers != nil {
			return placed{source: s, file: layout.File("", filepath.Base(path))}, nil
		}
	}
	// A copy of a session elsewhere, or a file that says no more than its name.
	for dir := path; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		layout := discover.Ray{Root: filepath.Dir(dir)}
		if n := layout.Name(path); strings.HasPrefix(filepath.Base(dir), "session_") && n != nil && !n.Entry {
			return placed{session: n.Session, file: layout.File(n.Session, n.Rel)}.withHead(path), nil
		}
	}
	return placed{file: discover.File{File: ray.ParsePath(filepath.Base(path))}}, nil
}

// withHead finds out from the files beside it whether this is the head.
func (of placed) withHead(path string) placed {
	if at := strings.LastIndex(path, "/logs/"); at >= 0 && of.session != "" {
		found, _ := filepath.Glob(path[:at] + "/logs/gcs_server*")
		of.head, of.known = len(found) > 0, true
	}
	return of
}

// parse is how the agent reads the file.
func (of placed) parse(c *config.Config) parse.Source {
	node := parse.Node{Cluster: c.Cluster, Namespace: c.Namespace, Group: c.Group, Type: c.NodeType, Pod: c.Pod, Container: c.Container}
	if node.Cluster == "" {
		node.Cluster, _ = os.Hostname()
	}
	switch {
	case node.Type != "" || !of.known:
	case of.head:
		node.Type = "head"
	default:
		node.Type = "worker"
	}
	zone := c.Timezone
	if zone == nil {
		zone = time.Local
	}
	s := parse.Source{
		File: of.file.File, Context: ray.Context{Session: of.session, Location: zone},
		Labels:   logs.Normalize(slices.Concat(node.Labels(of.file.File), of.file.Labels, c.Labels)),
		Metadata: logs.Normalize(slices.Concat(node.Metadata(of.session, of.file.File), of.file.Metadata, c.Metadata)),
	}
	if of.source != nil {
		s.Labels, s.Metadata = config.AddedTo(s.Labels, of.source.Labels), config.AddedTo(s.Metadata, of.source.Metadata)
	}
	switch {
	case of.source != nil && of.source.Containers != nil:
		s.Form = parse.CRI
	case of.file.Format == ray.FormatContainer:
		s.Form = parse.Terminal
	}
	return s
}
