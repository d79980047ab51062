package pipeline

import (
	"context"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

// ChunkBytes is how much of a file is read at once: a line of parse.MaxLine and
// some more, so that a split is always seen to be needed.
const ChunkBytes = parse.MaxLine + 64<<10

// partBytes is about how long the entries of one part may be, where a batch holds
// as much: two of them fit into a batch of the default size, and with their
// metadata the lines of a chunk fill one.
const partBytes = 448 << 10

// streamRoom is what labels, range and constant metadata of a part take at most,
// as far as names and values are of ordinary length.
const streamRoom = 4 << 10

// Job is one chunk of one file to be read. The stream belongs to the reader until
// Done comes back.
type Job struct {
	Follower Follower
	Epoch    uint32
	Tenant   string // who the file's lines belong to; "" for the output's own
	Stream   *parse.Stream
	FD       int
	Unpack   *tail.Unpacker // of a compressed file, of which Cursor counts the content
	Cursor   tail.Cursor
	Mark     tail.Mark // of the bytes before the cursor; Len 0 checks nothing
	Head     tail.Head // how the file begins, checked where it is read from there; Len 0 checks nothing
	Base     uint64    // logical offset of the file's first byte
	Ended    bool      // take the half line at the end too
	Emit     uint64    // what begins before this was sent by an earlier run
	Now      int64
	Idle     int64 // see parse.Chunk
	Written  int64
	Range    loki.FileRange // File, Generation and Gap
	TellGap  bool           // nothing is read (FD is -1): only the gap before Base is sent
}

// Done is what became of a job.
type Done struct {
	Job
	Cursor  tail.Cursor // the new one
	Mark    tail.Mark
	Read    int // bytes looked at
	AtEnd   bool
	Changed bool // the bytes before the cursor are not those of Mark, or the first not those of Head: nothing was read
	Lines   int
	Dropped map[string]int // lines that stages dropped, by reason; nil for none
	Added   bool           // a part was added to a batch
	Err     error
}

// Reader runs jobs. Each has one read buffer and one for encoded entries.
type Reader struct {
	builder *Builder
	limit   int // of a part's entries
	buf     []byte
	entries []byte
}

// NewReader makes a reader that adds parts to b.
func NewReader(b *Builder) *Reader {
	limit := min(partBytes, b.max)
	return &Reader{builder: b, limit: limit, buf: make([]byte, tail.MarkLen+ChunkBytes), entries: make([]byte, 0, limit+32<<10)}
}

// Run runs jobs until the channel closes or ctx ends.
func (r *Reader) Run(ctx context.Context, jobs <-chan Job, done chan<- Done) {
	for {
		select {
		case <-ctx.Done():
			return
		case j, ok := <-jobs:
			if !ok {
				return
			}
			d := r.read(ctx, j)
			select {
			case done <- d:
			case <-ctx.Done():
				return
			}
		}
	}
}

// read reads one chunk, a few bytes before it first so as to see whether the
// file is still the one that was read before.
func (r *Reader) read(ctx context.Context, j Job) Done {
	d := Done{Job: j, Cursor: j.Cursor, Mark: j.Mark}
	if j.FD < 0 {
		r.entries = r.entries[:0]
		d.Range.GapTime = j.Stream.GapTime()
		d.Err = r.send(ctx, &d, j.Base, j.Base, parse.Result{})
		return d
	}
	before := int(j.Mark.Len)
	n, err := j.readAt(r.buf[:before+ChunkBytes], j.Cursor.Offset-int64(before))
	if err != nil {
		d.Err = err
		return d
	}
	if n < before || (before > 0 && tail.MarkOf(r.buf[:before]) != j.Mark) {
		d.Changed = true
		return d
	}
	data := r.buf[before:n]
	if j.Cursor.Offset == 0 && j.Head.Len > 0 && !j.Head.Matches(data[:min(len(data), tail.HeadLen)]) {
		d.Changed = true
		return d
	}
	d.Read = len(data)
	d.AtEnd = n < before+ChunkBytes
	return r.parse(ctx, d, data, r.buf[:n], before)
}

func (j *Job) readAt(b []byte, offset int64) (int, error) {
	if j.Unpack != nil {
		return j.Unpack.ReadAt(b, offset)
	}
	return tail.ReadAt(j.FD, b, offset)
}

func (r *Reader) parse(ctx context.Context, d Done, data, all []byte, before int) Done {
	j := &d.Job
	at := j.Base + uint64(j.Cursor.Offset)
	var res parse.Result
	r.entries, res = j.Stream.Append(r.entries[:0], parse.Chunk{
		Data: data, At: at, Ended: j.Ended && d.AtEnd, Emit: j.Emit, File: j.Range.File,
		Now: j.Now, Written: j.Written, Idle: j.Idle,
	}, r.limit)
	d.Lines, d.Dropped = res.Lines, res.Dropped
	d.Cursor.Offset += int64(res.Consumed)
	d.Cursor.Seen = max(d.Cursor.Offset, j.Cursor.Offset+int64(len(data)))
	d.AtEnd = d.AtEnd && !res.More
	if !d.AtEnd {
		d.Cursor.Seen = d.Cursor.Offset
	}
	d.Mark = tail.MarkOf(all[:before+res.Consumed])
	to := at + uint64(res.Consumed)
	if res.Consumed == 0 || to <= j.Emit {
		return d
	}
	d.Err = r.send(ctx, &d, max(at, j.Emit), to, res)
	return d
}

func (r *Reader) send(ctx context.Context, d *Done, from, to uint64, res parse.Result) error {
	rng := d.Range
	rng.From, rng.To = from, to
	p := Part{
		Follower: d.Follower, Epoch: d.Epoch, File: rng.File, From: from, To: to, Gap: rng.Gap, Wire: d.Stream.Wire(), Tenant: d.Tenant,
		Lines: res.Lines, Position: d.Stream.Position(to), Mark: d.Mark, Anchors: res.Anchors,
	}
	err := r.builder.Add(ctx, p, len(r.entries)+d.Stream.Streams()*streamRoom, func(dst []byte) []byte {
		return d.Stream.AppendStream(dst, r.entries, rng)
	})
	d.Added = err == nil
	return err
}
