package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A segment is a file named by the position of its first record. It begins
// with the magic and that position.
const (
	segmentMagic = "remoraj\x01"
	headerSize   = int64(len(segmentMagic) + 8)
)

// DamagedError names a segment that cannot be read to its end although later
// ones follow, so that lines which were acknowledged may be in it.
type DamagedError struct {
	Path   string
	Offset int64
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal segment %s is damaged at byte %d: lines accepted after that are lost unless the file is restored; "+
		"to go on without them move it and the segments after it away", e.Path, e.Offset)
}

// Open opens the journal, calls replay with each record that begins at
// position from or later, cuts a torn end off, and gets ready for appends.
// Nothing is written where replay fails.
func Open(cfg Config, from int64, replay func(r *Record, end int64) error) (*Journal, error) {
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = 64 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	j := &Journal{cfg: cfg, wake: make(chan struct{}, 1)}
	j.delivery.wake = make(chan struct{}, 1)
	starts, err := listSegments(cfg.Dir)
	if err != nil {
		return nil, err
	}
	j.segments = starts
	end := from
	for i, start := range starts {
		if i+1 < len(starts) && starts[i+1] <= from {
			continue
		}
		segEnd, err := j.replaySegment(start, i == len(starts)-1, from, replay)
		if err != nil {
			return nil, err
		}
		end = max(end, segEnd)
	}
	if err := j.openLast(end); err != nil {
		return nil, err
	}
	j.end, j.synced = end, end
	j.done.Add(2)
	go j.run()
	go j.deliverAll()
	return j, nil
}

func listSegments(dir string) ([]int64, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var starts []int64
	for _, n := range names {
		hex, ok := strings.CutSuffix(n.Name(), ".journal")
		if !ok {
			continue
		}
		start, err := strconv.ParseInt(hex, 16, 64)
		if err != nil || len(hex) != 16 {
			return nil, fmt.Errorf("%s is not a journal segment: move it away", filepath.Join(dir, n.Name()))
		}
		starts = append(starts, start)
	}
	slices.Sort(starts)
	return starts, nil
}

// replaySegment reads one segment and returns the position of its end. A torn
// record ends the last segment: its append was never acknowledged.
func (j *Journal) replaySegment(start int64, last bool, from int64, replay func(*Record, int64) error) (int64, error) {
	path := j.segmentPath(start)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	if !validHeader(data, start) {
		if last && int64(len(data)) <= headerSize {
			// Made just before a crash: no record was written to it.
			return start, nil
		}
		return 0, &DamagedError{Path: path}
	}
	at := headerSize
	for at < int64(len(data)) {
		r, n, err := next(data[at:])
		if err != nil {
			if !last {
				return 0, &DamagedError{Path: path, Offset: at}
			}
			j.cfg.Logger.Warn("cut the torn end off the journal", "segment", path, "offset", at, "bytes", int64(len(data))-at)
			break
		}
		end := start + at - headerSize + int64(n)
		if end > from {
			if err := replay(&r, end); err != nil {
				return 0, err
			}
		}
		at += int64(n)
	}
	if !last && !slices.Contains(j.segments, start+at-headerSize) {
		return 0, &DamagedError{Path: path, Offset: at}
	}
	return start + at - headerSize, nil
}

// Read calls f with each record that begins at position from or later and ends at
// to or before, which must be durable and not removed. The journal goes on
// meanwhile.
func (j *Journal) Read(from, to int64, f func(r *Record, end int64) error) error {
	starts, err := listSegments(j.cfg.Dir)
	if err != nil {
		return err
	}
	for i, start := range starts {
		if start >= to || i+1 < len(starts) && starts[i+1] <= from {
			continue
		}
		data, err := os.ReadFile(j.segmentPath(start))
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		for at := headerSize; at < int64(len(data)); {
			r, n, err := next(data[at:])
			at += int64(n)
			end := start + at - headerSize
			if err != nil || end > to {
				break // not durable yet
			}
			if end > from {
				if err := f(&r, end); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func validHeader(data []byte, start int64) bool {
	return int64(len(data)) >= headerSize && string(data[:len(segmentMagic)]) == segmentMagic &&
		int64(binary.LittleEndian.Uint64(data[len(segmentMagic):])) == start
}

// openLast opens the last segment for writing at position end, or makes one.
func (j *Journal) openLast(end int64) error {
	if n := len(j.segments); n > 0 {
		start := j.segments[n-1]
		f, err := os.OpenFile(j.segmentPath(start), os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open journal: %w", err)
		}
		st, err := f.Stat()
		if err != nil {
			return errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
		}
		size := headerSize + end - start
		// What the checkpoint covers beyond the segment's end is not needed again:
		// then begin a new one where the checkpoint ends.
		if st.Size() >= size && st.Size() > headerSize {
			if err := errors.Join(f.Truncate(size), f.Sync()); err != nil {
				return errors.Join(fmt.Errorf("cut the torn end off %s: %w", f.Name(), err), f.Close())
			}
			j.f, j.segStart = f, start
			return nil
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("close journal: %w", err)
		}
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("remove empty journal segment: %w", err)
		}
		j.segments = j.segments[:n-1]
	}
	return j.create(end)
}

// create makes a segment that begins at position start and makes it the one
// that is written to.
func (j *Journal) create(start int64) error {
	path := j.segmentPath(start)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("create journal segment: %w", err)
	}
	header := binary.LittleEndian.AppendUint64([]byte(segmentMagic), uint64(start))
	_, err = f.WriteAt(header, 0)
	err = errors.Join(err, f.Sync(), syncDir(j.cfg.Dir))
	if err != nil {
		return errors.Join(fmt.Errorf("create journal segment: %w", err), f.Close(), os.Remove(path))
	}
	j.mu.Lock()
	j.f, j.segStart = f, start
	j.segments = append(j.segments, start)
	j.mu.Unlock()
	return nil
}

func (j *Journal) rotate() error {
	old := j.f
	if err := j.create(j.synced); err != nil {
		return err
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("close journal segment: %w", err)
	}
	return nil
}

// RemoveBefore removes the segments that end at position pos or before.
func (j *Journal) RemoveBefore(pos int64) error {
	j.mu.Lock()
	var old []int64
	for len(j.segments) > 1 && j.segments[1] <= pos {
		old = append(old, j.segments[0])
		j.segments = j.segments[1:]
	}
	j.mu.Unlock()
	for _, start := range old {
		if err := os.Remove(j.segmentPath(start)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old journal segment: %w", err)
		}
	}
	return nil
}

// Segments returns the paths of the files that hold position pos and later,
// oldest first.
func (j *Journal) Segments(pos int64) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var paths []string
	for i, start := range j.segments {
		if i+1 == len(j.segments) || j.segments[i+1] > pos {
			paths = append(paths, j.segmentPath(start))
		}
	}
	return paths
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
