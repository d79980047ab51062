// Package demo plays a recorded Ray session again: the same files, written line
// by line at the pace at which Ray wrote them, as if it were happening now.
//
// Invariant: a played file has the recorded bytes except for time stamps of the
// recording's own time, which are moved and keep their length.
package demo

import (
	"archive/tar"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/remora-ray/remora/internal/ray"
)

// The recording, made by record/record.py on Ray 2.60: on a cluster of one node a
// job that cleans data succeeds, a training ends as its loss is no number any
// more, a native library crashes, and a command is misspelt. session.tar.zst
// holds Ray's temp directory, appends.jsonl.zst when which bytes were appended.
//
//go:embed recording
var recordings embed.FS

// Recording is a session and the pace at which it was written.
type Recording struct {
	Session    string // directory name, as recorded
	Begin, End time.Time
	files      []file
	dirs       []string // below the temp directory
	writes     []write  // in order of time
}

// file is one file of the recording.
type file struct {
	path    string // below Ray's temp directory, slashes
	logPath string // below logs/, "" where it lies elsewhere
	content []byte
}

// write is some bytes of a file and the time after Begin at which they came.
type write struct {
	at       time.Duration
	file     int
	from, to int
}

// maxRecording bounds what an archive may unpack to.
const maxRecording = 64 << 20

// Load reads the recording that this program carries.
func Load() (*Recording, error) {
	session, err := recordings.Open("recording/session.tar.zst")
	if err != nil {
		return nil, err
	}
	defer session.Close()
	appends, err := recordings.Open("recording/appends.jsonl.zst")
	if err != nil {
		return nil, err
	}
	defer appends.Close()
	r := &Recording{}
	if err := r.readSession(session); err != nil {
		return nil, err
	}
	return r, r.readPace(appends)
}

// Lines counts the lines of log files that a play writes.
func (r *Recording) Lines() int {
	return r.count(func(ray.File, string) bool { return true })
}

// Duration is how long the recorded session logged.
func (r *Recording) Duration() time.Duration { return r.End.Sub(r.Begin) }

func (r *Recording) readSession(src io.Reader) error {
	zr, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer zr.Close()
	tr := tar.NewReader(io.LimitReader(zr, maxRecording))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read recording: %w", err)
		}
		if err := r.add(h, tr); err != nil {
			return err
		}
	}
	if r.Session == "" {
		return errors.New("recording holds no session")
	}
	return nil
}

// add takes one entry of the archive, whose paths begin with the temp
// directory's own name.
func (r *Recording) add(h *tar.Header, content io.Reader) error {
	_, name, ok := strings.Cut(path.Clean(h.Name), "/")
	if !ok || strings.Contains("/"+name+"/", "/../") {
		return nil
	}
	if session, rest, ok := strings.Cut(name, "/"); ok {
		if _, ok := ray.ParseSession(session); !ok {
			return nil
		}
		r.Session = session
		name = session + "/" + rest
	}
	switch h.Typeflag {
	case tar.TypeDir:
		r.dirs = append(r.dirs, name)
	case tar.TypeReg:
		b, err := io.ReadAll(content)
		if err != nil {
			return fmt.Errorf("read %s of the recording: %w", h.Name, err)
		}
		f := file{path: name, content: b}
		if _, below, ok := strings.Cut(name, "/logs/"); ok {
			f.logPath = below
		}
		r.files = append(r.files, f)
	}
	return nil
}
