package parse

import (
	"slices"

	"github.com/remora-ray/remora/internal/agent/cri"
	"github.com/remora-ray/remora/internal/agent/stage"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/ray"
)

// Form is how a file carries its lines.
type Form uint8

const (
	// Plain: a line is a line.
	Plain Form = iota
	// CRI: a container's log as its runtime writes it. Partial lines are joined; the
	// time and the stream (out, err) come from the prefix; what is behind it is
	// understood as a container's output, and its component becomes the stream label
	// where it tells one.
	CRI
	// Terminal: a line is a line, of whichever process it names. Its component becomes
	// the stream label where it tells one.
	Terminal
)

// MaxStreams is how many label sets one chunk may give; with more it ends early.
const MaxStreams = 64

// staged reads lines one by one, where stages or the form of the file make more
// than one stream of a chunk.
type staged struct {
	run     *stage.Run // nil without stages
	reader  *cri.Reader
	lanes   []lane // by cri.Output; one alone in plain files
	own     clock  // gives out the times that stages set
	entry   stage.Entry
	by      map[ray.Component]logs.Labels // stream labels with a component
	said    said
	groups  []group
	order   *order // while a chunk is read
	dropped map[string]int
}

// lane is what is known of one output of a container.
type lane struct {
	parser *ray.Parser
	line   ray.Line
	fresh  bool   // line belongs to the piece before in this process
	entry  uint64 // logical offset of the first line of the current entry
	split  uint32
}

// said is the metadata of the last line, to be used again.
type said struct {
	ready  bool
	of     ray.Line
	output cri.Output
	labels logs.Labels
}

// newStaged is nil where the fast path does.
func newStaged(src *Source) *staged {
	container := src.Form == CRI || src.Stages.CRI()
	if !container && src.Form != Terminal && src.Stages.Empty() {
		return nil
	}
	g := &staged{lanes: make([]lane, 1)}
	if !src.Stages.Empty() {
		g.run = src.Stages.New()
	}
	if container {
		g.reader, g.lanes = &cri.Reader{}, make([]lane, 3)
	}
	for i := range g.lanes {
		g.lanes[i].parser = ray.NewParser(laneFile(src.File, container, cri.Output(i)), src.Context)
	}
	return g
}

// laneFile is what is known of one output of a file.
func laneFile(f ray.File, container bool, o cri.Output) ray.File {
	if !container {
		return f
	}
	if f.Format == ray.FormatRaw {
		f.Format = ray.FormatContainer
	}
	if o != cri.None {
		f.Output = o.String()
	}
	return f
}

// forget drops what was made of labels and metadata that have changed.
func (g *staged) forget() { g.by, g.said = nil, said{} }

// piece is a line, or a piece of one, and where it is.
type piece struct {
	text    []byte
	at      uint64
	output  cri.Output
	time    int64 // of its prefix; 0 without
	first   bool  // no piece of the line came before
	last    bool
	nothing bool // it was part of a line that came before
}

func (s *Stream) appendStaged(dst []byte, c *Chunk, limit int) ([]byte, Result) {
	g := s.staged
	var r Result
	begin := len(dst)
	g.groups, g.dropped, g.order = g.groups[:0], nil, orders.Get().(*order)
	for r.Consumed < len(c.Data) && len(g.groups) < MaxStreams {
		var mark cri.Mark
		if g.reader != nil {
			mark = g.reader.Mark()
		}
		p, size := s.nextPiece(c.Data[r.Consumed:], c.At+uint64(r.Consumed), c.Ended)
		if size == 0 {
			break
		}
		if grown := len(dst) - begin; grown > 0 && grown+len(p.text)+entryRoom > limit {
			if g.reader != nil {
				g.reader.Back(mark)
			}
			r.More = true
			break
		}
		if !p.nothing {
			dst = s.emitStaged(dst, &p, c, &r)
		}
		r.Consumed += size
	}
	r.More = r.More || len(g.groups) == MaxStreams && r.Consumed < len(c.Data)
	r.Dropped = g.dropped
	g.finish(dst, begin)
	return dst, r
}

func (s *Stream) nextPiece(rest []byte, at uint64, ended bool) (piece, int) {
	g := s.staged
	if g.reader == nil {
		line, size, last := s.next(rest, ended)
		return piece{text: line, at: at, first: g.lanes[0].split == 0, last: last}, size
	}
	rec, size := g.reader.Next(rest, at, ended)
	return piece{
		text: rec.Text, at: at, output: rec.Output, time: rec.Time,
		first: rec.Piece < 2, last: rec.Last, nothing: rec.Nothing,
	}, size
}

// emitStaged reads a piece and appends its entry.
func (s *Stream) emitStaged(dst []byte, p *piece, c *Chunk, r *Result) []byte {
	g := s.staged
	l := &g.lanes[p.output]
	if p.first || !l.fresh {
		s.attribute(l, p)
	}
	s.line = l.line
	if p.time != 0 {
		s.line.Time = p.time
	}
	ns := s.time(p.at, !p.first, c, r)
	s.opens(ns)
	if !p.first || !p.last {
		l.split++
	}
	where := place{at: p.at, split: l.split, entry: l.entry, continues: !p.first || l.line.Continuation}
	if p.last {
		l.split = 0
	}
	e := g.fill(s, p, ns, &l.line, where, c)
	if g.run != nil {
		drop := g.run.Process(e)
		if drop == "" && e.Time != ns {
			e.Time = g.own.at(e.Time)
		}
		if drop != "" {
			g.drop(drop, p.at >= c.Emit)
			return dst
		}
	}
	if p.at < c.Emit {
		return dst
	}
	r.Lines++
	return s.add(dst, e, where)
}

// attribute asks what a line tells. The rest of a line whose beginning an earlier
// run saw tells nothing.
func (s *Stream) attribute(l *lane, p *piece) {
	text := p.text
	if !p.first {
		text = nil
	}
	l.parser.Line(text, &l.line)
	if s.src.Fill != nil {
		s.src.Fill(l.parser, int64(p.at), &l.line)
	}
	l.fresh = true
	if !l.line.Continuation && p.first {
		l.entry = p.at
	}
	if l.line.NodeID != "" {
		s.node = l.line.NodeID
	}
}

func (g *staged) drop(reason string, counts bool) {
	if !counts {
		return
	}
	if g.dropped == nil {
		g.dropped = map[string]int{}
	}
	g.dropped[reason]++
}

// fill makes the entry that stages work on.
func (g *staged) fill(s *Stream, p *piece, ns int64, line *ray.Line, where place, c *Chunk) *stage.Entry {
	g.entry = stage.Entry{
		Time: ns, Line: p.text, Labels: g.labelsOf(s.src.Labels, line.Component),
		Metadata: g.metadataOf(s.src.Metadata, line, p.output),
		File:     c.File, Offset: p.at, Continues: where.continues,
	}
	return &g.entry
}

// labelsOf are the stream's labels with the line's component.
func (g *staged) labelsOf(base logs.Labels, c ray.Component) logs.Labels {
	if c == "" {
		return base
	}
	ls, ok := g.by[c]
	if !ok {
		ls = logs.Normalize(append(slices.Clone(base), logs.Label{Name: "component", Value: string(c)}))
		if g.by == nil {
			g.by = map[ray.Component]logs.Labels{}
		}
		g.by[c] = ls
	}
	return ls
}

// metadataOf is all that is known of a line but its place.
func (g *staged) metadataOf(constant logs.Labels, l *ray.Line, o cri.Output) logs.Labels {
	x := &g.said
	if x.ready && x.output == o && x.of.Level == l.Level && sameWho(&x.of, l) {
		return x.labels
	}
	all := slices.Clone(constant)
	for i, v := range valuesOf(l, 0) {
		if v != "" {
			all = append(all, logs.Label{Name: lineNames[i], Value: v})
		}
	}
	if l.Level != "" {
		all = append(all, logs.Label{Name: nameLevel, Value: l.Level})
	}
	if o != cri.None {
		all = append(all, logs.Label{Name: "stream", Value: o.String()})
	}
	*x = said{true, *l, o, logs.Normalize(all)}
	return x.labels
}
