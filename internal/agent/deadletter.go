package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// What refused lines may take in the state directory, in bytes and in files; the
// oldest make room for new ones.
const (
	deadLetterBudget = 64 << 20
	deadLetterFiles  = 8192
)

// refusedLine is a line as its dead letter tells it.
type refusedLine struct {
	Time     time.Time         `json:"time"`
	Labels   map[string]string `json:"labels,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Line     string            `json:"line"`
}

// letter is one JSON document of a dead letter: of a line that a Loki refused, or
// of a part of a file with all its lines.
type letter struct {
	Reason  string    `json:"reason"`
	Fault   string    `json:"fault,omitempty"`
	Refused time.Time `json:"refused"` // when
	File    string    `json:"file"`
	From    uint64    `json:"from"` // bytes of the part
	To      uint64    `json:"to"`

	*refusedLine
	Lines []refusedLine `json:"lines,omitempty"`
}

// keptLetter is a dead letter about to be written.
type keptLetter struct {
	name string
	body []byte
}

// bury keeps in the state directory what the server refuses for good:
//
//	entries of a part (a ship.EntryError) → NAME.json for each
//	a part                                → NAME.json, and NAME.push: the stream as it
//	                                        was sent (push protobuf, not compressed)
//
// What is refused again when it is sent again, as its acknowledgement was lost,
// has the same name.
func (a *agent) bury(p *pipeline.Part, body []byte, why error) error {
	var letters []keptLetter
	var err error
	var entry *ship.EntryError
	if errors.As(why, &entry) {
		letters, err = entryLetters(p, body, entry)
	} else {
		letters, err = partLetters(p, body, why)
	}
	if err != nil {
		return fmt.Errorf("keep what was refused: %w", err)
	}
	if err := a.keepLetters(letters); err != nil {
		return fmt.Errorf("keep what was refused: %w", err)
	}
	if entry != nil {
		a.met.dropLines.WithLabelValues(string(entry.Fault)).Add(float64(len(letters)))
		level := slog.LevelDebug // the counter goes on telling
		if a.health.once("refused " + string(entry.Fault)) {
			level = slog.LevelError
		}
		a.log.Log(context.Background(), level, "the server refuses lines of a log file, they are kept in the state directory",
			"file", p.File.String(), "lines", len(letters), "fault", string(entry.Fault), "error", entry.Reason)
	}
	return nil
}

func entryLetters(p *pipeline.Part, body []byte, why *ship.EntryError) (all []keptLetter, err error) {
	push, err := loki.DecodePush(body)
	if err != nil {
		return nil, err
	}
	for i := range push.Streams {
		s := &push.Streams[i]
		for j := range s.Entries {
			e := &s.Entries[j]
			line := lineOf(s, e)
			line.Labels = s.Labels.Map()
			l := letter{Reason: why.Reason, Fault: string(why.Fault), Refused: wall.Now().UTC(), File: p.File.String(), From: p.From, To: p.To, refusedLine: &line}
			name := fmt.Sprintf("%s-%s-%s", line.Time.Format(letterTime), p.File, entryName(e, j))
			if all, err = appendLetter(all, name, &l); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// letterTime is how names of dead letters tell a time.
const letterTime = "20060102T150405.000000000"

// entryName tells an entry from the others of its file: by its offset, which must
// not reach out of the directory.
func entryName(e *logs.Entry, i int) string {
	at := e.Metadata.Get(loki.MetadataOffset)
	if at == "" || len(at) > 20 || strings.Trim(at, "0123456789") != "" {
		return fmt.Sprintf("n%d", i)
	}
	return at
}

func partLetters(p *pipeline.Part, body []byte, why error) ([]keptLetter, error) {
	l := letter{Reason: why.Error(), Refused: wall.Now().UTC(), File: p.File.String(), From: p.From, To: p.To}
	// What cannot be read is in the other file all the same.
	if push, err := loki.DecodePush(body); err == nil {
		for i := range push.Streams {
			s := &push.Streams[i]
			for j := range s.Entries {
				line := lineOf(s, &s.Entries[j])
				line.Labels = s.Labels.Map()
				l.Lines = append(l.Lines, line)
			}
		}
	}
	name := fmt.Sprintf("part-%s-%d-%d", p.File, p.From, p.To)
	return appendLetter([]keptLetter{{name + ".push", body}}, name, &l)
}

// lineOf is an entry with all its metadata.
func lineOf(s *loki.Stream, e *logs.Entry) refusedLine {
	l := refusedLine{Time: time.Unix(0, e.Time).UTC(), Line: e.Line, Metadata: map[string]string{}}
	if s.Range != nil {
		l.Metadata = s.Range.Metadata.Map()
	}
	for _, m := range e.Metadata {
		l.Metadata[m.Name] = m.Value
	}
	return l
}

func appendLetter(all []keptLetter, name string, l *letter) ([]keptLetter, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(l); err != nil {
		return nil, err
	}
	return append(all, keptLetter{name + ".json", text.Bytes()}), nil
}

func (a *agent) keepLetters(letters []keptLetter) error {
	dir := filepath.Join(a.conf.State, "refused")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if over := len(letters) - deadLetterFiles; over > 0 {
		letters = letters[over:]
		a.met.drops.WithLabelValues("dead-letter-removed").Add(float64(over))
	}
	var size int64
	for _, l := range letters {
		size += int64(len(l.body))
	}
	a.makeRoom(dir, size, len(letters))
	for _, l := range letters {
		if err := os.WriteFile(filepath.Join(dir, l.name), l.body, 0o640); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom removes the oldest dead letters until there is room for so many more
// bytes and files.
func (a *agent) makeRoom(dir string, size int64, files int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var kept []os.FileInfo
	for _, e := range entries {
		if i, err := e.Info(); err == nil {
			kept = append(kept, i)
			size += i.Size()
		}
	}
	files += len(kept)
	slices.SortStableFunc(kept, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, i := range kept {
		if size <= deadLetterBudget && files <= deadLetterFiles {
			return
		}
		if os.Remove(filepath.Join(dir, i.Name())) == nil {
			size, files = size-i.Size(), files-1
			a.met.drops.WithLabelValues("dead-letter-removed").Inc()
		}
	}
}
