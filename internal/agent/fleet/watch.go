package fleet

import (
	"context"
	"slices"

	"github.com/remora-ray/remora/internal/agent/config"
)

// watch asks for a reload when a file of the configuration has changed since it was
// read and is the same for two looks: it may be in the middle of being written.
func (f *fleet) watch(ctx context.Context) {
	read := f.files()
	known, before := read, read
	for pause(ctx, f.o.Poll) {
		if again := f.files(); !slices.Equal(again, read) {
			read, known, before = again, again, again
		}
		now := lookAt(known)
		settled := slices.Equal(now, before)
		before = now
		if !settled || slices.Equal(now, known) {
			continue
		}
		switch f.ask(ctx, "a file changed") {
		case nil:
		case errEnding:
			return
		default:
			known = now // it is told; the next change may mend it
		}
	}
}

func lookAt(files []config.File) []config.File {
	now := make([]config.File, len(files))
	for i, x := range files {
		now[i] = config.FileAt(x.Path)
	}
	return now
}

// files are those to watch, as they were when they were read.
func (f *fleet) files() []config.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watched
}

// ask has the loop reload and waits for what comes of it.
func (f *fleet) ask(ctx context.Context, why string) error {
	r := reload{why: why, answer: make(chan error, 1)}
	select {
	case f.reloads <- r:
		return <-r.answer
	case <-f.drained:
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
}
