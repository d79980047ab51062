package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/loki"
)

// Save records where streams stand. It is written, not synced: a lost tail only
// makes the next run ask the server or send again what it did not acknowledge.
func (l *Log) Save(streams ...*Stream) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = l.buf[:0]
	for _, s := range streams {
		at := len(l.buf)
		l.buf = begin(l.buf)
		l.buf = finish(appendStream(l.buf, s), at)
		l.keep(s.ID, s.Position.Offset, l.buf[at+8:])
	}
	return l.append()
}

// Add records generations that came behind those of a saved stream: with many of them
// kept while the server is away, to save them all for each new one would cost the
// square of their number.
func (l *Log) Add(id loki.FileID, generations ...Generation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = l.buf[:0]
	for i := range generations {
		at := len(l.buf)
		l.buf = finish(appendAdd(begin(l.buf), id, &generations[i]), at)
		l.keepAdded(id, l.buf[at+8:])
	}
	return l.append()
}

// Anchored are anchors of a stream, those of lowest offset first.
type Anchored struct {
	File    loki.FileID
	Anchors []parse.Anchor
}

// Anchor records anchors of streams; they count once Sync has returned.
func (l *Log) Anchor(streams ...Anchored) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = l.buf[:0]
	for _, s := range streams {
		for _, a := range s.Anchors {
			at := len(l.buf)
			l.buf = finish(appendAnchor(begin(l.buf), s.File, a), at)
			l.keepAnchor(s.File, a)
		}
	}
	return l.append()
}

// Anchors are those recorded of a stream, and not left behind by what was saved of it
// since: also those that could not be written.
func (l *Log) Anchors(id loki.FileID) []parse.Anchor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.live[id]; k != nil {
		return slices.Clone(k.anchors)
	}
	return nil
}

// Forget removes a stream.
func (l *Log) Forget(id loki.FileID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = finish(appendForget(begin(l.buf[:0]), id), 0)
	l.drop(id)
	return l.append()
}

// Sync makes everything recorded so far durable.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.rewrite()
	}
	if !l.dirty {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		l.failed = fmt.Errorf("sync state: %w", err)
		return l.failed
	}
	l.dirty = false
	return nil
}

func begin(b []byte) []byte { return append(b, 0, 0, 0, 0, 0, 0, 0, 0) }

// finish fills in length and checksum of the record that began at at.
func finish(b []byte, at int) []byte {
	payload := b[at+8:]
	binary.BigEndian.PutUint32(b[at:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[at+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// append writes l.buf at the end. After a failure the file may hold part of a
// record, so the next write makes a new file; nothing recorded is lost by it.
func (l *Log) append() error {
	if l.failed != nil || (l.size > compactAt && l.size > 4*l.liveLen) {
		return l.rewrite()
	}
	n, err := l.file.Write(l.buf)
	l.size += int64(n)
	l.dirty = true
	if err != nil {
		l.failed = fmt.Errorf("write state: %w", err)
		return l.failed
	}
	return nil
}

// rewrite replaces the log by one that holds only what is alive.
func (l *Log) rewrite() error {
	f, size, err := l.writeNew()
	if err != nil {
		l.failed = fmt.Errorf("write state anew: %w", err)
		return l.failed
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.size, l.dirty, l.failed = f, size, false, nil
	return nil
}

func (l *Log) writeNew() (*os.File, int64, error) {
	path := filepath.Join(l.dir, fileName)
	b := append([]byte(magic), l.id[:]...)
	for id, k := range l.live {
		if k.record != nil {
			at := len(b)
			b = finish(append(begin(b), k.record...), at)
		}
		for _, added := range k.added {
			at := len(b)
			b = finish(append(begin(b), added...), at)
		}
		for _, a := range k.anchors {
			at := len(b)
			b = finish(appendAnchor(begin(b), id, a), at)
		}
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, 0, err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(l.dir)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, int64(len(b)), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
