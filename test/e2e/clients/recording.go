package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// recordedPush is a request as it was sent to a Loki.
type recordedPush struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body_base64"`
}

type recording []*recordedPush

// readRecording reads requests, one JSON object a line, compressed with zstd.
func readRecording(path string) (recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var r recording
	for d := json.NewDecoder(z); ; {
		var p recordedPush
		if err := d.Decode(&p); err == io.EOF {
			return r, nil
		} else if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		r = append(r, &p)
	}
}

// pushJSON is the body of a push.
type pushJSON struct {
	Streams []struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	} `json:"streams"`
}

// moveTo moves all times so that the last is at end, and returns the lines.
func (r recording) moveTo(end time.Time) (lines []string, err error) {
	bodies := make([]pushJSON, len(r))
	last := int64(0)
	for i, p := range r {
		text, err := p.plain()
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &bodies[i]); err != nil {
			return nil, err
		}
		for _, s := range bodies[i].Streams {
			for _, v := range s.Values {
				at, err := strconv.ParseInt(v[0], 10, 64)
				if err != nil {
					return nil, err
				}
				last = max(last, at)
				lines = append(lines, v[1])
			}
		}
	}
	for i, p := range r {
		for _, s := range bodies[i].Streams {
			for j := range s.Values {
				at, err := strconv.ParseInt(s.Values[j][0], 10, 64)
				if err != nil {
					return nil, err
				}
				s.Values[j][0] = strconv.FormatInt(at-last+end.UnixNano(), 10)
			}
		}
		text, err := json.Marshal(bodies[i])
		if err != nil {
			return nil, err
		}
		if err := p.set(text); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func (r recording) tenant(name string) {
	for _, p := range r {
		p.Headers["X-Scope-OrgID"] = name
	}
}

// plain is the body decompressed.
func (p *recordedPush) plain() ([]byte, error) {
	if p.Headers["Content-Encoding"] != "gzip" {
		return p.Body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(p.Body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func (p *recordedPush) set(text []byte) error {
	p.Body = text
	if p.Headers["Content-Encoding"] == "gzip" {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		if _, err := z.Write(text); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		p.Body = buf.Bytes()
	}
	p.Headers["Content-Length"] = strconv.Itoa(len(p.Body))
	return nil
}
