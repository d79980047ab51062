// Package archive opens recorded Ray sessions: a Ray temp directory, a session
// directory, a tar file of either, one of several pods, or a folder of such files
// with the output of containers and drivers beside them.
//
// Its invariant: names inside an archive never become names on this machine, and
// nothing is held in memory but the list of entries. Compressed archives are
// spooled into one unnamed temporary file.
package archive

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/remora-ray/remora/internal/ray"
)

// Options bound what opening may take. The zero value means the defaults.
type Options struct {
	TempDir    string // for the spool; "" means os.TempDir()
	MaxBytes   int64  // of log files after decompression; 0 means 64 GiB
	MaxEntries int    // of one archive or directory tree; 0 means 2,000,000
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 30
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 2_000_000
	}
	return o
}

// Archive is what the given paths hold. It must be closed.
type Archive struct {
	nodes []*Node
	spool *spool
}

// Node is one machine or pod: one Ray temp directory.
type Node struct {
	Name     string // the pod's name, or "head"; "" where nothing names it
	Path     string // where it was found, for messages
	Sessions []*Session
	Outside  []*Stream // output of the container and of drivers, which lies in no session
}

// Session is one session directory of one node.
type Session struct {
	ray.Session
	NodeIDs []string // from the names of files, the newest first; empty before Ray 2.57
	Streams []*Stream
	Skipped []Skipped

	gcs bool // a GCS has written its port here
}

// Stream is a log file with its rotated generations. A line's logical offset
// counts from the first byte of the oldest generation that is there.
type Stream struct {
	File        ray.File // of the oldest generation, as ray.NewParser wants it
	Generations []*Generation
}

// Generation is one file.
type Generation struct {
	File    ray.File
	Size    int64
	ModTime time.Time

	content content
}

// Skipped is a file below logs/ that holds no lines.
type Skipped struct {
	File ray.File
	Size int64
}

// content is where a file's bytes are.
type content interface {
	open() (io.ReadCloser, error)
}

// ErrNoSession says that a path holds nothing of Ray.
var ErrNoSession = errors.New("no session_* directory in it: give a Ray temp directory (/tmp/ray), a session directory, or an archive of one")

// Open reads what paths name. Several archives or pods are nodes of one cluster.
func Open(paths []string, opt Options) (*Archive, error) {
	if len(paths) == 0 {
		return nil, errors.New("no path given: name a Ray temp directory (/tmp/ray), a session directory or an archive of one")
	}
	opt = opt.withDefaults()
	s, err := newSpool(opt)
	if err != nil {
		return nil, err
	}
	a := &Archive{spool: s}
	var b builder
	for _, p := range paths {
		if err := a.add(&b, p, opt); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	a.nodes = b.nodes()
	return a, nil
}

func (a *Archive) add(b *builder, path string, opt Options) error {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: no such file or directory", path)
		}
		return err
	}
	before := len(b.order)
	if info.IsDir() {
		err = addDir(b, a.spool, path, opt)
	} else {
		err = addFile(b, a.spool, path, archiveNode(path), opt)
	}
	if err != nil {
		return err
	}
	if len(b.order) == before {
		return fmt.Errorf("%s: %w", path, ErrNoSession)
	}
	return nil
}

// Nodes are the nodes found, the head first where names tell.
func (a *Archive) Nodes() []*Node { return a.nodes }

// Close removes the spool. Readers that are still open fail.
func (a *Archive) Close() error { return a.spool.close() }

// Size is the number of bytes in all generations.
func (s *Stream) Size() int64 {
	var n int64
	for _, g := range s.Generations {
		n += g.Size
	}
	return n
}

// Open reads all generations, the oldest first, as one stream of bytes.
func (s *Stream) Open() (io.ReadCloser, error) {
	return &concatenation{generations: s.Generations}, nil
}

// Open reads one generation.
func (g *Generation) Open() (io.ReadCloser, error) {
	r, err := g.content.open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", g.File.Path, err)
	}
	return r, nil
}

// concatenation reads generations one after the other with one open at a time.
type concatenation struct {
	generations []*Generation
	current     io.ReadCloser
}

func (c *concatenation) Read(b []byte) (int, error) {
	for {
		if c.current == nil {
			if len(c.generations) == 0 {
				return 0, io.EOF
			}
			r, err := c.generations[0].Open()
			if err != nil {
				return 0, err
			}
			c.current, c.generations = r, c.generations[1:]
		}
		n, err := c.current.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := c.Close(); err != nil {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (c *concatenation) Close() error {
	if c.current == nil {
		return nil
	}
	err := c.current.Close()
	c.current = nil
	return err
}
