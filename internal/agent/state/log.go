// Package state keeps an agent's positions and anchors in a directory: an
// append-only log, compacted by rename. It never holds a line's content: the log
// files that are followed are their own write-ahead log.
//
// Invariant: once Sync has returned, what was recorded before it is read back by
// the next Open, whatever happens in between; a tail torn by a crash is cut off.
package state

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/loki"
)

const (
	fileName = "positions"
	kind     = "remora-agent positions "
	magic    = kind + "2\n"
	idLen    = 8
	// A record takes about 80 bytes for each file that is kept while the server is
	// away; a length beyond this is a torn tail.
	maxRecord = 64 << 20
	// The log is written anew when it is this large and four times what is alive in it.
	compactAt = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Log is an open state directory. Its methods may be called from several goroutines.
type Log struct {
	dir  string
	lock *os.File

	mu      sync.Mutex
	file    *os.File
	id      [idLen]byte
	size    int64
	live    map[loki.FileID]*kept
	liveLen int64
	dirty   bool
	failed  error // the file's end is not what we think: write it anew
	buf     []byte
}

// kept is what a compaction writes of one stream.
type kept struct {
	record  []byte   // of typeStream; nil if only anchors were recorded
	added   [][]byte // of typeAdd, since record
	anchors []parse.Anchor
	offset  uint64
}

// Contents is what Open found.
type Contents struct {
	Fresh   bool // there was no state: the directory is new
	Torn    int64
	Streams []*Stream // with their anchors
	Full    error     // the disk is full: nothing can be recorded for now
}

// Open locks dir, makes it if it is not there, and reads the log. On a full disk it
// goes on with what it could read: an agent that does not start loses more than one
// that may have to ask the server again.
func Open(dir string) (*Log, Contents, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, Contents{}, fmt.Errorf("make state directory: %w (name a writable one with --state)", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, Contents{}, err
	}
	l := &Log{dir: dir, lock: lock, live: map[loki.FileID]*kept{}}
	c, err := l.load()
	if err == nil {
		// Also proves that the directory can be written to, and leaves no torn tail.
		err = l.rewrite()
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		c.Full, err = err, nil
	}
	if err != nil {
		lock.Close()
		return nil, Contents{}, err
	}
	return l, c, nil
}

func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open lock of state directory: %w (name a writable one with --state)", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s is in use by another agent: stop it, or give this one a directory of its own with --state", dir)
		}
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	return f, nil
}

func (l *Log) load() (Contents, error) {
	path := filepath.Join(l.dir, fileName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := rand.Read(l.id[:]); err != nil {
			return Contents{}, fmt.Errorf("name this agent: %w", err)
		}
		return Contents{Fresh: true}, nil
	}
	if err != nil {
		return Contents{}, fmt.Errorf("read state: %w", err)
	}
	if !bytes.HasPrefix(data, []byte(magic)) || len(data) < len(magic)+idLen {
		return l.unreadable(path, data)
	}
	copy(l.id[:], data[len(magic):])
	streams, torn := l.replay(data[len(magic)+idLen:])
	return Contents{Streams: streams, Torn: torn}, nil
}

// unreadable deals with a file that does not begin as one of ours. That of another
// version is left alone, as it may be whole. Anything else was torn by a crash or
// damaged: it is put aside, and the server tells where to go on.
func (l *Log) unreadable(path string, data []byte) (Contents, error) {
	if bytes.HasPrefix(data, []byte(kind)) && bytes.IndexByte(data, '\n') >= 0 && !bytes.HasPrefix(data, []byte(magic)) {
		return Contents{}, fmt.Errorf("%s is not the state of this version of remora-agent: "+
			"use the version that wrote it, or move it away (the server then tells where to go on)", path)
	}
	if len(bytes.Trim(data, "\x00")) > 0 {
		if err := os.Rename(path, path+".damaged"); err != nil {
			return Contents{}, fmt.Errorf("put a damaged state aside: %w", err)
		}
	}
	if _, err := rand.Read(l.id[:]); err != nil {
		return Contents{}, fmt.Errorf("name this agent: %w", err)
	}
	return Contents{Fresh: true, Torn: max(1, int64(len(data)))}, nil
}

// replay reads records up to the end or to the first that is not whole.
func (l *Log) replay(data []byte) (streams []*Stream, torn int64) {
	found := map[loki.FileID]*Stream{}
	for len(data) > 0 {
		payload, size := record(data)
		if size == 0 || !l.apply(payload, found) {
			break
		}
		data = data[size:]
	}
	for id, k := range l.live {
		if s := found[id]; s != nil {
			s.Anchors = slices.Clone(k.anchors)
			streams = append(streams, s)
		}
	}
	slices.SortFunc(streams, func(a, b *Stream) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return streams, int64(len(data))
}

// record splits a record off data; size 0 means that it is not whole.
func record(data []byte) (payload []byte, size int) {
	if len(data) < 8 {
		return nil, 0
	}
	n := binary.BigEndian.Uint32(data)
	if n == 0 || n > maxRecord || int(n) > len(data)-8 {
		return nil, 0
	}
	payload = data[8 : 8+n]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(data[4:]) {
		return nil, 0
	}
	return payload, 8 + int(n)
}

func (l *Log) apply(payload []byte, found map[loki.FileID]*Stream) bool {
	r := reader{b: payload[1:]}
	switch payload[0] {
	case typeStream:
		s := r.stream()
		if r.err == nil {
			found[s.ID] = s
			l.keep(s.ID, s.Position.Offset, payload)
		}
	case typeAnchor:
		id := r.id()
		a := parse.Anchor{Offset: r.uvarint(), Time: r.varint()}
		if r.err == nil {
			l.keepAnchor(id, a)
		}
	case typeAdd:
		id := r.id()
		g := r.generation()
		if s := found[id]; r.err == nil && s != nil {
			s.Generations = append(s.Generations, g)
			l.keepAdded(id, payload)
		}
	case typeForget:
		id := r.id()
		if r.err == nil {
			delete(found, id)
			l.drop(id)
		}
	default:
		// Of a later version of this format: one that must not be passed over would
		// come with another magic.
	}
	return r.err == nil
}

// keep remembers a stream's last record and the anchors that still matter.
func (l *Log) keep(id loki.FileID, offset uint64, record []byte) {
	k := l.live[id]
	if k == nil {
		k = &kept{}
		l.live[id] = k
	}
	l.liveLen += int64(len(record)) - k.size()
	k.added = nil
	k.record = append(k.record[:0], record...)
	k.offset = offset
	k.anchors = slices.DeleteFunc(k.anchors, func(a parse.Anchor) bool { return a.Offset < offset })
}

func (l *Log) keepAdded(id loki.FileID, record []byte) {
	if k := l.live[id]; k != nil {
		l.liveLen += int64(len(record))
		k.added = append(k.added, slices.Clone(record))
	}
}

// size is how much of the log is alive of the stream, anchors left out.
func (k *kept) size() int64 {
	n := len(k.record)
	for _, a := range k.added {
		n += len(a)
	}
	return int64(n)
}

func (l *Log) keepAnchor(id loki.FileID, a parse.Anchor) {
	k := l.live[id]
	if k == nil {
		k = &kept{}
		l.live[id] = k
	}
	if a.Offset < k.offset {
		return
	}
	sent := func(x parse.Anchor) bool { return x.Time == 0 }
	if i := slices.IndexFunc(k.anchors, sent); i >= 0 && a.Time == 0 {
		a.Offset = max(a.Offset, k.anchors[i].Offset) // there is one end of what was sent
		k.anchors = slices.Delete(k.anchors, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(k.anchors, a.Offset+1, func(x parse.Anchor, offset uint64) int { return cmp.Compare(x.Offset, offset) })
	k.anchors = slices.Insert(k.anchors, at, a)
}

func (l *Log) drop(id loki.FileID) {
	if k := l.live[id]; k != nil {
		l.liveLen -= k.size()
		delete(l.live, id)
	}
}

// ID names this state directory for ever.
func (l *Log) ID() string { return hex.EncodeToString(l.id[:]) }

// Close writes everything to disk and unlocks the directory.
func (l *Log) Close() error {
	err := l.Sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(err, l.file.Close(), l.lock.Close())
}
