package floor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/remora-ray/remora/bench/receive"
	"github.com/remora-ray/remora/internal/loki"
)

// Follow does the same of what the files of a directory grow by, until ctx ends:
// every so often it reads, encodes with a level for metadata, and compresses. It
// follows the files that are there at its start.
func Follow(ctx context.Context, dir string, every time.Duration) (Result, error) {
	f := &floor{buf: make([]byte, chunkBytes)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return f.Result, err
	}
	level := &receive.Template{Before: loki.AppendMetadata(nil, "detected_level", "info")}
	var files []*growing
	for _, e := range entries {
		file, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return f.Result, err
		}
		defer file.Close()
		files = append(files, &growing{File: file, labels: `{filename="` + e.Name() + `"}`})
	}
	for tick := time.Tick(every); ; {
		select {
		case <-ctx.Done():
			return f.Result, nil
		case <-tick:
		}
		for _, file := range files {
			if err := f.more(file, level); err != nil {
				return f.Result, err
			}
		}
		f.send()
	}
}

// growing is a file and how far it was read.
type growing struct {
	*os.File
	labels string
	at     int64
}

// more reads whole lines of a file up to its end.
func (f *floor) more(file *growing, t *receive.Template) error {
	for {
		n, err := file.ReadAt(f.buf, file.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		end := bytes.LastIndexByte(f.buf[:n], '\n') + 1
		if end == 0 {
			return nil
		}
		r := loki.FileRange{From: uint64(file.at)}
		for rest := f.buf[:end]; len(rest) > 0; {
			i := bytes.IndexByte(rest, '\n')
			f.entry(file.at, rest[:i], t, file.at)
			f.Lines++
			file.at += int64(i) + 1
			rest = rest[i+1:]
		}
		f.Read += int64(end)
		r.To = uint64(file.at)
		f.part(file.labels, &r)
	}
}
