package receive

import (
	"encoding/gob"
	"io"
	"path"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Plan tells for each file how the agent encoded it.
type Plan struct {
	Files []FilePlan
}

// FilePlan is how one file was encoded. Lines are in order.
type FilePlan struct {
	Path        string // below Ray's temp directory
	Labels      string
	Range       loki.FileRange // of the last part
	First, Last int64          // times of the first and last line, Unix nanoseconds
	Templates   []Template
	Lines       []uint32 // template of each line
}

// Template is the encoded metadata of a line, without its offset.
type Template struct{ Before, Behind []byte }

// ReadPlan reads what GET /plan answers.
func ReadPlan(r io.Reader) (*Plan, error) {
	p := &Plan{}
	return p, gob.NewDecoder(r).Decode(p)
}

// planner gathers a plan from pushes.
type planner struct {
	files map[loki.FileID]*filePlanner
	order []*filePlanner
}

type filePlanner struct {
	FilePlan
	known map[string]uint32
}

func newPlanner() *planner { return &planner{files: map[loki.FileID]*filePlanner{}} }

func (p *planner) write(w io.Writer) error {
	plan := Plan{}
	for _, f := range p.order {
		plan.Files = append(plan.Files, f.FilePlan)
	}
	return gob.NewEncoder(w).Encode(plan)
}

func (p *planner) note(s *loki.Stream) {
	r := s.Range
	if r == nil || len(s.Entries) == 0 {
		return
	}
	f := p.files[r.File]
	if f == nil {
		f = &filePlanner{known: map[string]uint32{}}
		f.Path = path.Join(r.Metadata.Get("session"), "logs", r.Metadata.Get("filename"))
		f.Labels, f.First = s.Labels.String(), s.Entries[0].Time
		p.files[r.File] = f
		p.order = append(p.order, f)
	}
	f.Range = *r
	f.Last = s.Entries[len(s.Entries)-1].Time
	for i := range s.Entries {
		f.Lines = append(f.Lines, f.template(s.Entries[i].Metadata))
	}
}

func (f *filePlanner) template(meta logs.Labels) uint32 {
	var t Template
	for _, l := range meta {
		switch {
		case l.Name == loki.MetadataOffset:
		case l.Name < loki.MetadataOffset:
			t.Before = loki.AppendMetadata(t.Before, l.Name, l.Value)
		default:
			t.Behind = loki.AppendMetadata(t.Behind, l.Name, l.Value)
		}
	}
	key := string(t.Before) + "\x00" + string(t.Behind)
	n, ok := f.known[key]
	if !ok {
		n = uint32(len(f.Templates))
		f.known[key] = n
		f.Templates = append(f.Templates, t)
	}
	return n
}
