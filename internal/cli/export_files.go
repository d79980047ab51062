package cli

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/client"
)

// export sorts lines that come in order of time into the files they were in:
//
//	pages ─▶ a buffer for each file ─▶ blocks in a temporary file ─▶ tar, file by file
//
// Held in memory are the buffers, bounded together, and where the lines of one
// file are.
type export struct {
	session string
	spool   *os.File
	end     int64 // of the spool
	files   map[exportKey]*exportFile
	nodes   map[string]*exportNode
	held    int // bytes in buffers
	lines   int
}

// exportKey is a file of a node, by the node's pod, else its id.
type exportKey struct{ node, name string }

type exportFile struct {
	outside bool // of no session directory
	buf     []byte
	blocks  []exportBlock
	last    int64 // time of the last line
}

type exportBlock struct{ at, size int64 }

type exportNode struct {
	head bool
	ids  map[string]int64 // node id → time of the first line that has it
}

const exportHeld = 32 << 20

func newExport(session string) (*export, error) {
	f, err := os.CreateTemp("", "remora-export-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	// Without a name it goes with this process, however that ends.
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &export{session: session, spool: f, files: make(map[exportKey]*exportFile), nodes: make(map[string]*exportNode)}, nil
}

func (x *export) close() { _ = x.spool.Close() }

// add takes a line; one that says not where it was in which file cannot be put
// back.
func (x *export) add(l *client.Line) error {
	name := l.Label("filename")
	offset, err := strconv.ParseUint(l.Label("offset"), 10, 64)
	if err != nil || !filepath.IsLocal(name) || strings.HasSuffix(name, "/") {
		return nil
	}
	component := l.Label("component")
	node := x.node(l)
	key := exportKey{node, path.Clean(name)}
	f := x.files[key]
	if f == nil {
		f = &exportFile{outside: component == "container" || component == "job" && !strings.HasPrefix(name, "job-driver-")}
		x.files[key] = f
	}
	before := len(f.buf)
	f.buf = binary.AppendUvarint(f.buf, offset)
	f.buf = binary.AppendUvarint(f.buf, uint64(len(l.Line)))
	f.buf = append(f.buf, l.Line...)
	f.last = max(f.last, l.Time)
	x.lines++
	if x.held += len(f.buf) - before; x.held > exportHeld {
		return x.flush()
	}
	return nil
}

// node notes whose line it is.
func (x *export) node(l *client.Line) string {
	id := l.Label("node_id")
	key := first(l.Label("pod"), id)
	n := x.nodes[key]
	if n == nil {
		n = &exportNode{ids: make(map[string]int64)}
		x.nodes[key] = n
	}
	n.head = n.head || l.Label("node_type") == "head"
	if at, known := n.ids[id]; id != "" && (!known || l.Time < at) {
		n.ids[id] = l.Time
	}
	return key
}

// flush writes all buffers to the spool.
func (x *export) flush() error {
	for _, f := range x.files {
		if len(f.buf) == 0 {
			continue
		}
		if _, err := x.spool.WriteAt(f.buf, x.end); err != nil {
			return fmt.Errorf("write a temporary file: %w", err)
		}
		f.blocks = append(f.blocks, exportBlock{x.end, int64(len(f.buf))})
		x.end += int64(len(f.buf))
		f.buf = nil
	}
	x.held = 0
	return nil
}

// adopt gives lines that name no node to the only one that has the file, or to
// the only one there is: a raylet tells its node's id after its first lines.
func (x *export) adopt() {
	if x.nodes[""] == nil || len(x.nodes) == 1 {
		return
	}
	left := false
	for key, f := range x.files {
		if key.node != "" {
			continue
		}
		node, only := x.owner(key.name)
		if !only {
			left = true
			continue
		}
		delete(x.files, key)
		x.nodes[node].head = x.nodes[node].head || x.nodes[""].head && len(x.nodes) == 2
		to := exportKey{node, key.name}
		if g := x.files[to]; g != nil {
			g.blocks, g.last = append(g.blocks, f.blocks...), max(g.last, f.last)
			continue
		}
		x.files[to] = f
	}
	if !left {
		delete(x.nodes, "")
	}
}

// owner is the only named node that has a file, or that there is.
func (x *export) owner(name string) (node string, only bool) {
	having, named := 0, 0
	var has, last string
	for n := range x.nodes {
		if n == "" {
			continue
		}
		named, last = named+1, n
		if x.files[exportKey{n, name}] != nil {
			having, has = having+1, n
		}
	}
	if having == 1 {
		return has, true
	}
	return last, named == 1
}

// writeTo writes the archive: of one node its session directory, of several one
// directory for each.
func (x *export) writeTo(ctx context.Context, tw *tar.Writer) (exportSummary, error) {
	if err := x.flush(); err != nil {
		return exportSummary{}, err
	}
	x.adopt()
	s := exportSummary{Session: x.session, Nodes: len(x.nodes)}
	for _, name := range slices.Sorted(maps.Keys(x.nodes)) {
		if err := x.writeNode(tw, name); err != nil {
			return s, err
		}
	}
	keys := slices.SortedFunc(maps.Keys(x.files), func(a, b exportKey) int {
		return cmp.Or(strings.Compare(a.node, b.node), strings.Compare(a.name, b.name))
	})
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		if err := x.writeFile(tw, key, &s); err != nil {
			return s, fmt.Errorf("%s: %w", key.name, err)
		}
	}
	return s, nil
}

// dir is where a node's session directory lies in the archive.
func (x *export) dir(node string) string {
	if len(x.nodes) == 1 {
		return ""
	}
	return path.Join("/", first(node, "unnamed"))[1:]
}

// writeNode leaves the empty files that tell the node's ids, as Ray does.
func (x *export) writeNode(tw *tar.Writer, node string) error {
	n := x.nodes[node]
	for _, id := range slices.Sorted(maps.Keys(n.ids)) {
		name := "metrics_agent_port_"
		if n.head {
			name = "gcs_server_port_"
		}
		err := tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: path.Join(x.dir(node), x.session, name+id), Mode: 0o644, ModTime: time.Unix(0, n.ids[id]),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exportLine is where a line was in its file and is in the spool.
type exportLine struct {
	offset uint64
	at     int64
	size   int
}

func (x *export) writeFile(tw *tar.Writer, key exportKey, s *exportSummary) error {
	f := x.files[key]
	lines, err := x.index(f)
	if err != nil {
		return err
	}
	lines, twice := distinct(lines)
	size, missing := uint64(0), uint64(0)
	if len(lines) > 0 {
		missing = lines[0].offset
	}
	for i, l := range lines {
		size += uint64(l.size + len(lineEnd(lines, i)))
		if i+1 < len(lines) {
			if end := l.offset + uint64(l.size) + 1; lines[i+1].offset > end {
				missing += lines[i+1].offset - end
			}
		}
	}
	name := path.Join(x.dir(key.node), x.session, "logs", key.name)
	if f.outside {
		name = key.name
	}
	err = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(size), ModTime: time.Unix(0, f.last)})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(tw, 1<<16)
	var buf []byte
	for i, l := range lines {
		buf = slices.Grow(buf[:0], l.size+1)[:l.size]
		if _, err := x.spool.ReadAt(buf, l.at); err != nil {
			return fmt.Errorf("read a temporary file: %w", err)
		}
		if _, err := w.Write(append(buf, lineEnd(lines, i)...)); err != nil {
			return err
		}
	}
	s.Files++
	s.Lines += len(lines)
	s.Bytes += size
	s.Missing += missing
	s.Twice += twice
	return w.Flush()
}

// lineEnd is nothing behind a piece of a line that goes on.
func lineEnd(lines []exportLine, i int) string {
	if i+1 < len(lines) && lines[i].size > 0 && lines[i+1].offset == lines[i].offset+uint64(lines[i].size) {
		return ""
	}
	return "\n"
}

// index reads where the lines of a file are, in the file's order.
func (x *export) index(f *exportFile) ([]exportLine, error) {
	var lines []exportLine
	for _, b := range f.blocks {
		data := make([]byte, b.size)
		if _, err := x.spool.ReadAt(data, b.at); err != nil {
			return nil, fmt.Errorf("read a temporary file: %w", err)
		}
		r := bytes.NewReader(data)
		for r.Len() > 0 {
			offset, err := binary.ReadUvarint(r)
			if err != nil {
				return nil, err
			}
			size, err := binary.ReadUvarint(r)
			if err != nil {
				return nil, err
			}
			lines = append(lines, exportLine{offset, b.at + b.size - int64(r.Len()), int(size)})
			if _, err := r.Seek(int64(size), io.SeekCurrent); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b exportLine) int { return cmp.Compare(a.offset, b.offset) })
	return lines, nil
}

// distinct keeps the first of lines that have one place.
func distinct(lines []exportLine) (kept []exportLine, twice int) {
	kept = slices.CompactFunc(lines, func(a, b exportLine) bool { return a.offset == b.offset })
	return kept, len(lines) - len(kept)
}
