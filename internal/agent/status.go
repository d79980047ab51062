package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// Status is how an agent stands at one moment. Bytes are of log files.
type Status struct {
	Target        string        `json:"target"` // remora, loki, stdout, or "" before its first answer
	Error         string        `json:"error,omitempty"`
	Read          uint64        `json:"read_bytes"`
	Acknowledged  uint64        `json:"acknowledged_bytes"`
	Behind        int64         `json:"behind_bytes"`
	OldestUnread  time.Duration `json:"oldest_unread_ns"` // how long the oldest byte has waited
	Files         []FileStatus  `json:"files"`
	FilesUnlisted int           `json:"files_unlisted,omitempty"` // beyond maxFileStatus
}

// FileStatus is a stream: a file with those that it was rotated to.
type FileStatus struct {
	Session      string        `json:"session,omitempty"`
	Name         string        `json:"name"`
	Path         string        `json:"path,omitempty"` // of the generation being read; "" when it was deleted
	State        FileState     `json:"state"`
	Generations  int           `json:"generations"`
	Position     uint64        `json:"position"` // acknowledged, counted through all generations
	Behind       int64         `json:"behind_bytes"`
	OldestUnread time.Duration `json:"oldest_unread_ns,omitempty"`
}

// FileState is what a stream is waiting for.
type FileState string

// The states of a stream.
const (
	FileAsking     FileState = "asking"     // for the target's word on where it stands
	FileReading    FileState = "reading"    // there is more to read
	FileSending    FileState = "sending"    // read, not all acknowledged
	FileIdle       FileState = "idle"       // all acknowledged
	FileUnreadable FileState = "unreadable" // tried again later
	FileRescued    FileState = "rescued"    // deleted while unread, kept alive
)

// maxFileStatus bounds an answer; the streams furthest behind are in it.
const maxFileStatus = 1000

// question asks a running agent how it stands.
type question struct {
	answer chan Status
	files  bool // one by one too
}

// Status asks the agent how it stands.
func (h *Health) Status(ctx context.Context) (Status, error) { return h.status(ctx, true) }

// Progress is Status without the files.
func (h *Health) Progress(ctx context.Context) (Status, error) { return h.status(ctx, false) }

func (h *Health) status(ctx context.Context, files bool) (Status, error) {
	answer := make(chan Status, 1)
	select {
	case h.ask <- question{answer, files}:
	case <-ctx.Done():
		return Status{}, errors.Join(errors.New("the agent does not answer"), ctx.Err())
	}
	select {
	case s := <-answer:
		return s, nil
	case <-ctx.Done():
		return Status{}, errors.Join(errors.New("the agent does not answer"), ctx.Err())
	}
}

func (a *agent) status(files bool) Status {
	s := Status{Target: a.kind(), Read: a.bytesRead, Acknowledged: a.acknowledged}
	if err := a.health.Ready(); err != nil {
		s.Error = err.Error()
	}
	for f := range a.all {
		if !f.named || f.covered || len(f.gens) == 0 {
			continue
		}
		if !files {
			s.Behind += f.behind()
			continue
		}
		x := a.fileStatus(f)
		s.Behind += x.Behind
		s.OldestUnread = max(s.OldestUnread, x.OldestUnread)
		s.Files = append(s.Files, x)
	}
	slices.SortFunc(s.Files, func(x, y FileStatus) int {
		return cmp.Or(cmp.Compare(y.Behind, x.Behind), cmp.Compare(x.Session, y.Session), cmp.Compare(x.Name, y.Name))
	})
	if n := len(s.Files); n > maxFileStatus {
		s.Files, s.FilesUnlisted = s.Files[:maxFileStatus:maxFileStatus], n-maxFileStatus
	}
	return s
}

func (a *agent) kind() string {
	switch {
	case !a.wired:
		return ""
	case a.deaf:
		return "stdout"
	default:
		return wireNames[a.wire]
	}
}

func (a *agent) fileStatus(f *follower) FileStatus {
	x := FileStatus{Session: f.session.name, Name: f.file.Stream, Generations: len(f.gens), Position: f.acked.Offset, Behind: f.behind()}
	if f.since > 0 {
		x.OldestUnread = time.Duration(wall.Mono() - f.since)
	}
	g := f.reading()
	if g != nil {
		x.Path = g.path
	}
	switch {
	case !f.asked:
		x.State = FileAsking
	case g != nil && g.wait > 0:
		x.State = FileUnreadable
	case x.Behind == 0:
		x.State = FileIdle
	case g != nil && g.path == "":
		x.State = FileRescued
	case g != nil && (f.running || g.size > f.cursor.Offset):
		x.State = FileReading
	default:
		x.State = FileSending
	}
	return x
}

// behind is how many bytes of the stream's files are not acknowledged, as far as is
// known of one of which nothing was told since it was looked at.
func (f *follower) behind() (n int64) {
	told := f.queued || f.running || f.settles || !f.placed()
	for i, g := range f.gens {
		size := g.size
		if told {
			size = g.grownTo()
		}
		switch {
		case g.done && g.acked:
		case !g.begun || i > f.cur:
			n += size
		default:
			n += max(0, min(size, int64(g.base)+size-int64(f.acked.Offset)))
		}
	}
	return n
}

// grownTo is the size of a generation, looked up where it may have grown.
func (g *generation) grownTo() int64 {
	if g.fd >= 0 && !g.done {
		if st, err := tail.StatFD(g.fd); err == nil {
			return st.Size
		}
	}
	return g.size
}

// aging keeps since when something of the stream waits to be acknowledged.
func (f *follower) aging(behind int64) {
	switch {
	case behind == 0:
		f.since = 0
	case f.since == 0:
		f.since = wall.Mono()
	}
}
