package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/remora-ray/remora/internal/client"
)

// suspect notes a stream of which something is wrong.
func (w *world) suspect(s *stream) {
	if w.suspects == nil {
		w.suspects = map[*stream]bool{}
	}
	w.suspects[s] = true
}

// dossiers writes what was done to each stream of which something is wrong, and what
// is stored of it, to a file beside the programs' logs.
func (w *world) dossiers(ctx context.Context) error {
	for s := range w.suspects {
		var b bytes.Buffer
		s.chronicle(&b)
		err := w.pages(ctx, fmt.Sprintf(`%s | session=%q | filename=%q`, selector, s.session, s.name), func(l *client.Line) {
			_, n, _, ok := parseMark(l.Line)
			what := fmt.Sprintf("line %d", n)
			if !ok {
				what = fmt.Sprintf("%.80q", l.Line)
			}
			fmt.Fprintf(&b, "%s offset %s split %s: %s\n", clock(l.Time), l.Label("offset"), l.Label("split"), what)
		})
		if err != nil {
			return err
		}
		if err := os.WriteFile(w.path(fmt.Sprintf("stream-%d.txt", s.id)), b.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// timeOfDay is how a time is told; - where there is none.
func timeOfDay(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("15:04:05.000")
}

// chronicle tells of the files of a stream.
func (s *stream) chronicle(b *bytes.Buffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(b, "%s: %d lines\n", s, s.lines)
	for _, g := range s.gens {
		fmt.Fprintf(b, "file from line %d: begun %s, first byte %s, bytes gone %s %s\n", g.first, timeOfDay(g.begun), timeOfDay(g.born), timeOfDay(g.removed), g.excuse)
	}
}
