// Package pipeline joins reading to sending: readers turn (file, chunk) into
// encoded parts, parts are gathered into batches, and a fixed number of batch
// buffers bounds what may be on its way.
//
// Invariant: a batch holds at most one part of a stream, and batches leave in the
// order in which they were sealed, so that the parts of a stream are sent in
// order. When no buffer is free the reader waits: that is the back-pressure.
package pipeline

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

// Part is what a batch holds of one stream.
type Part struct {
	Follower Follower
	Epoch    uint32 // of the follower when it was read
	File     loki.FileID
	Tenant   string // who its lines belong to; "" for the output's own
	From, To uint64 // logical
	Lines    int
	Gap      string
	Wire     parse.Wire     // how its bytes are written
	Position parse.Position // behind the part
	Mark     tail.Mark      // of the bytes before Position.Offset
	Anchors  []parse.Anchor

	begin, end int // place in the body
}

// Follower is who reads a stream. Its epoch changes when it must go on from
// elsewhere; parts of an older epoch that were not sent are thrown away.
type Follower interface {
	Epoch() uint32
}

// Batch is one push body, not compressed.
type Batch struct {
	Body  []byte
	Parts []Part
	Added int // parts it ever held, those cut out again too

	queued int64 // bytes they had
}

// Lines is how many lines the batch holds.
func (b *Batch) Lines() (n int) {
	for i := range b.Parts {
		n += b.Parts[i].Lines
	}
	return n
}

// Cut removes the parts whose follower has gone on from elsewhere since. It must
// not be called after the first attempt to send.
func (b *Batch) Cut() {
	body, parts := b.Body[:0], b.Parts[:0]
	for _, p := range b.Parts {
		if p.Epoch != p.Follower.Epoch() {
			continue
		}
		if at := len(body); at == p.begin {
			body = b.Body[:p.end] // nothing before it was cut
		} else {
			body = append(body, b.Body[p.begin:p.end]...)
			p.begin, p.end = at, len(body)
		}
		parts = append(parts, p)
	}
	clear(b.Parts[len(parts):])
	b.Body, b.Parts = body, parts
}

// Bytes is the part's place in the body.
func (b *Batch) Bytes(i int) []byte { return b.Body[b.Parts[i].begin:b.Parts[i].end] }

// Span is the place of the parts [from, to) in the body.
func (b *Batch) Span(from, to int) []byte { return b.Body[b.Parts[from].begin:b.Parts[to-1].end] }

// Builder gathers parts into batches.
type Builder struct {
	mu   sync.Mutex
	cur  *Batch
	max  int
	free chan *Batch
	out  chan *Batch

	queued atomic.Int64
}

// NewBuilder makes a builder of n buffers of max bytes each.
func NewBuilder(maxBytes, n int) *Builder {
	b := &Builder{max: maxBytes, free: make(chan *Batch, n), out: make(chan *Batch, n)}
	for range n {
		b.free <- &Batch{}
	}
	return b
}

// Add puts a part of at most size bytes, which write appends, into the current
// batch, or into the next one if it does not fit, waiting for a free buffer if it
// must.
func (b *Builder) Add(ctx context.Context, p Part, size int, write func(dst []byte) []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cur != nil && !b.fits(&p, size) {
		b.seal()
	}
	if b.cur == nil {
		select {
		case b.cur = <-b.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.cur.Body == nil {
			b.cur.Body = make([]byte, 0, max(b.max, size))
		}
	}
	p.begin = len(b.cur.Body)
	b.cur.Body = write(b.cur.Body)
	p.end = len(b.cur.Body)
	b.cur.queued += int64(p.end - p.begin)
	b.queued.Add(int64(p.end - p.begin))
	b.cur.Parts = append(b.cur.Parts, p)
	b.cur.Added++
	return nil
}

func (b *Builder) fits(p *Part, size int) bool {
	if len(b.cur.Body) > 0 && len(b.cur.Body)+size > b.max {
		return false
	}
	for i := range b.cur.Parts {
		if b.cur.Parts[i].File == p.File {
			return false
		}
	}
	return true
}

// seal hands the current batch to the sender; there is always room.
func (b *Builder) seal() {
	b.out <- b.cur
	b.cur = nil
}

// Flush seals the current batch unless a reader is adding to it right now.
func (b *Builder) Flush() {
	if !b.mu.TryLock() {
		return
	}
	defer b.mu.Unlock()
	if b.cur != nil && len(b.cur.Parts) > 0 {
		b.seal()
	}
}

// Out is where sealed batches come out, in order.
func (b *Builder) Out() <-chan *Batch { return b.out }

// Queued is how many bytes of bodies are on their way.
func (b *Builder) Queued() int64 { return b.queued.Load() }

// Shrink lets go of the buffers that are free. They come back when they are needed.
func (b *Builder) Shrink() {
	for range len(b.free) {
		select {
		case x := <-b.free:
			x.Body = nil
			b.free <- x
		default:
			return
		}
	}
}

// Free gives a batch's buffer back.
func (b *Builder) Free(x *Batch) {
	b.queued.Add(-x.queued)
	x.Body, x.queued = x.Body[:0], 0
	clear(x.Parts)
	x.Parts, x.Added = x.Parts[:0], 0
	if cap(x.Body) > b.max+b.max/4 { // one very long line must not be paid for ever
		x.Body = nil
	}
	b.free <- x
}
