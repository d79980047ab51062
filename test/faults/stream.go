package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"
)

// stream is one file with all its generations, and what was written to it. Each line
// carries the stream's number and its own; its text is a function of both, so that
// nothing but counts is kept.
type stream struct {
	id      int
	session string
	name    string // below logs/, of the first generation
	form    form

	mu      sync.Mutex
	lines   int         // begun so far
	half    map[int]int // lines that were never ended, and how many bytes they have
	gens    []*generation
	pending int          // lines that were never ended and wait for the end of their file
	sure    int          // lines before it were found stored, or gone
	gone    map[int]bool // lines that nobody could have; true where a gap must tell of it
	gaps    int          // gap lines seen
	short   int          // lines found lost, so that they are told once
	over    int          // lines found twice, likewise
}

// generation is one file of a stream: lines first and up.
type generation struct {
	first   int
	begun   time.Time
	born    time.Time // of its first byte
	removed time.Time // when its bytes were; zero while they are there
	excuse  string    // why they may be missing though there was time to read them
	alone   bool      // it was deleted by the name it was written by: the next file says nothing of it
}

// form is how lines look.
type form uint8

const (
	plain form = iota
	cpp
	python
	wild // progress bars, NUL, invalid UTF-8
	huge // 10 MB
	told // by an actor of a real Ray
)

const mark = "@@ "

// text is the line from its mark on.
func (s *stream) text(n int) string {
	head := fmt.Sprintf("%s%d %d ", mark, s.id, n)
	if s.form == told {
		return head + strings.Repeat("ray ", 1+n%40)
	}
	h := fnv.New64a()
	fmt.Fprint(h, s.id, n)
	x := h.Sum64()
	body := strings.Repeat(words[x%uint64(len(words))]+" ", 2+int(x>>32%16))
	if s.form == wild {
		switch x >> 40 % 4 {
		case 0:
			for i := 0; i <= 100; i += 10 {
				body += fmt.Sprintf("\r%3d%%|%s", i, strings.Repeat("#", i/10))
			}
		case 1:
			body += "\x00\x00 nul"
		case 2:
			body += "\xff\xfe\xc3( invalid \u2028 \v\f \x1b]0;title\a"
		}
	}
	switch {
	case s.form == huge:
		body += strings.Repeat("long ", 2<<20)
	case x>>44%5000 == 0:
		body += strings.Repeat("long ", 60<<10) // longer than a line may be
	}
	return head + body
}

var words = []string{"loss", "epoch", "worker", "checkpoint", "gradient", "shard", "replica", "actor"}

// prefix is what a component writes before a message.
func (s *stream) prefix(now time.Time) string {
	switch s.form {
	case cpp:
		return now.Format("[2006-01-02 15:04:05,000") + " I 77 77] (raylet) node_manager.cc:123: "
	case python:
		return now.Format("2006-01-02 15:04:05,000") + "\tINFO agent.py:42 -- "
	default:
		return ""
	}
}

// generationOf is the file that holds line n.
func (s *stream) generationOf(n int) *generation {
	var of *generation
	for _, g := range s.gens {
		if g.first <= n {
			of = g
		}
	}
	return of
}

// next begins a generation; the one before stays.
func (s *stream) next() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &generation{first: s.lines, begun: time.Now()}
	s.gens = append(s.gens, g)
	return g
}

// remove notes that the bytes of a generation are gone from their names.
func (s *stream) remove(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.removed.IsZero() {
		g.removed = time.Now()
	}
}

// expect is the text of line n as stored, and whether it is one that was written.
func (s *stream) expect(n int) (string, bool) {
	if n < 0 || n >= s.lines {
		return "", false
	}
	t := s.text(n)
	if size, cut := s.half[n]; cut {
		t = t[:size]
	}
	return t, true
}

// sameText compares what was written with what is stored; invalid UTF-8 cannot be
// carried by JSON.
func sameText(a, b string) bool { return clean(a) == clean(b) }

func clean(s string) string {
	if !strings.ContainsAny(s, "\uFFFD\x00") && strings.ToValidUTF8(s, "") == s {
		return s
	}
	return string(bytes.ReplaceAll([]byte(strings.ToValidUTF8(s, "")), []byte("\uFFFD"), nil))
}
