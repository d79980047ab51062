package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/remora-ray/remora/internal/ray"
)

// around is how far from the session's begin its own time stamps may lie: Ray
// also looks at files of the hour before.
const around = 2 * time.Hour

// recorded finds the stamps of the recording, which was made in UTC; zone is that
// of the stamps a play writes.
func (r *Recording) recorded(zone *time.Location) stamps {
	return stamps{from: r.Begin.Add(-around), to: r.Begin.Add(around), zone: zone}
}

// readPace reads when which bytes were appended: one JSON object each, in order
// of time, as record/record.py writes them.
func (r *Recording) readPace(src io.Reader) error {
	session, _ := ray.ParseSession(r.Session)
	r.Begin = session.Started
	zr, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer zr.Close()
	index := map[string]int{}
	for i, f := range r.files {
		index[f.path] = i
	}
	written := make([]int, len(r.files))
	dec := json.NewDecoder(io.LimitReader(zr, maxRecording))
	for {
		var a struct {
			T              float64
			File           string
			Offset, Length int
		}
		err := dec.Decode(&a)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read pace of the recording: %w", err)
		}
		i, ok := index[a.File]
		if !ok { // a file that was not kept
			continue
		}
		if a.Offset != written[i] || a.Offset+a.Length > len(r.files[i].content) {
			return fmt.Errorf("pace of the recording: %d bytes of %s do not follow at %d", a.Length, a.File, a.Offset)
		}
		written[i] += a.Length
		at := time.UnixMilli(int64(a.T * 1000)).Sub(r.Begin)
		r.writes = append(r.writes, write{at: at, file: i, from: a.Offset, to: written[i]})
	}
	for i, n := range written {
		if f := r.files[i]; f.logPath != "" && n != len(f.content) {
			return fmt.Errorf("pace of the recording: %d of %d bytes of %s", n, len(f.content), f.path)
		}
	}
	if len(r.writes) == 0 {
		return errors.New("recording has no pace")
	}
	r.End = r.Begin.Add(r.writes[len(r.writes)-1].at)
	return nil
}
