package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/remora-ray/remora/internal/loki"
)

type moved struct{ epoch uint32 }

func (m *moved) Epoch() uint32 { return m.epoch }

func add(t *testing.T, b *Builder, f Follower, file byte, body string) {
	t.Helper()
	p := Part{Follower: f, File: loki.FileID{file}, Epoch: f.Epoch()}
	if err := b.Add(t.Context(), p, len(body), func(dst []byte) []byte { return append(dst, body...) }); err != nil {
		t.Fatal(err)
	}
}

func TestABatchHoldsOnePartOfAFileAndNoMoreThanFits(t *testing.T) {
	b := NewBuilder(10, 4)
	f := &moved{}
	add(t, b, f, 1, "aaaa")
	add(t, b, f, 2, "bbbb")
	add(t, b, f, 3, "cccc")                  // does not fit
	add(t, b, f, 3, "dd")                    // the same file again
	add(t, b, f, 4, strings.Repeat("e", 30)) // alone
	b.Flush()
	b.Flush() // nothing more
	var got []string
	for len(b.Out()) > 0 {
		x := <-b.Out()
		got = append(got, string(x.Body))
		b.Free(x)
	}
	if strings.Join(got, " ") != "aaaabbbb cccc dd "+strings.Repeat("e", 30) || b.Queued() != 0 {
		t.Errorf("batches %q, %d bytes queued", got, b.Queued())
	}
}

func TestCutTakesOutWhatHasGoneOnElsewhere(t *testing.T) {
	b := NewBuilder(100, 1)
	stays, goes := &moved{}, &moved{}
	add(t, b, stays, 1, "one ")
	add(t, b, goes, 2, "two ")
	add(t, b, stays, 3, "three")
	b.Flush()
	goes.epoch++
	x := <-b.Out()
	x.Cut()
	if string(x.Body) != "one three" || len(x.Parts) != 2 || string(x.Bytes(1)) != "three" || x.Added != 3 {
		t.Errorf("body %q, %d parts of %d", x.Body, len(x.Parts), x.Added)
	}
}

func TestTheReaderWaitsWhenNoBufferIsFree(t *testing.T) {
	b := NewBuilder(10, 1)
	f := &moved{}
	add(t, b, f, 1, "full up to")
	b.Flush()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	err := b.Add(ctx, Part{Follower: f}, 1, func(dst []byte) []byte { return dst })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestBuffersThatWereLetGoComeBack(t *testing.T) {
	b := NewBuilder(1<<10, 2)
	for round := range 3 {
		if err := b.Add(t.Context(), Part{File: loki.FileID{1}}, 4, func(dst []byte) []byte { return append(dst, "abcd"...) }); err != nil {
			t.Fatal(err)
		}
		b.Flush()
		x := <-b.Out()
		if got := string(x.Body); got != "abcd" {
			t.Errorf("round %d: body %q", round, got)
		}
		b.Free(x)
		b.Shrink()
		if x.Body != nil {
			t.Errorf("round %d: a free buffer is kept", round)
		}
	}
}
