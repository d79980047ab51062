package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/state"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// follower reads one stream: a chain of generations, oldest first. Only the
// loop touches it, but for epoch, and for parser while running.
type follower struct {
	id      loki.FileID
	named   bool // id is set
	known   bool // from the state of an earlier run
	session *session
	file    ray.File
	names   []*discover.Name // that lead to its files, as far as told
	epoch   atomic.Uint32

	gens   []*generation
	cur    int // generation being read; len(gens) when there is none
	cursor tail.Cursor
	mark   tail.Mark
	parser *parse.Stream
	facts  int    // version of the session's facts that parser has
	emit   uint64 // lines before it are on the server already
	idle   int64  // when the stream was seen to end at the cursor, Unix nanoseconds

	gap      string // why bytes before gapAt are missing, not told yet
	gapAt    uint64
	gapSince int64 // when the last one was noted that waits for what comes behind it, by wall.Mono
	alone    bool  // gapAt lies one byte further, so that the gap can be told by itself
	telling  bool  // that is on its way
	sent     bool  // something was, by this run

	turns int64      // files that came under the name being written to, as far as told
	ended *moment    // of the newest file, where that is forgotten
	empty []tail.Key // files that had a name and no bytes at the last look

	acked   parse.Position // what the output has
	marked  tail.Mark      // of acked
	anchors []parse.Anchor // recorded behind acked

	since   int64   // since when something is not acknowledged, by wall.Mono; 0 if all is
	asked   bool    // the server said where the stream stands, or it cannot know it
	running bool    // a reader has it
	queued  bool    // in ready or dirty
	look    bool    // its names must be looked at
	again   bool    // something happened meanwhile
	settles bool    // in settling
	epochOf uint32  // of the cursor; behind epoch while a refusal is on its way
	rewind  *uint64 // go on from there once the reader has given the stream back
	stray   bool
	doubted bool        // the server was asked again, as it may have been cut just now
	heard   bool        // it was, as bytes are gone of which it may have been sent some
	covered bool        // a stray of which all is there by the stream it belongs to
	saved   loki.FileID // what the state has it by; zero if it has not
}

// generation is one file of a stream.
type generation struct {
	of         *follower
	key        tail.Key
	head       tail.Head
	print      []byte
	name       *discover.Name // that leads to it; nil when none does
	path       string         // "" when no name leads to it
	rotation   int            // of that name; math.MaxInt when there is none
	thrown     int64          // when the last name of Ray's went, Unix nanoseconds, if known of a dead agent's link
	base       uint64
	begun      bool   // base is known
	told       bool   // the server has print as that of a file that begins at base
	placed     bool   // where it begins is known of the server or an earlier run
	place      uint64 // namely there
	gap        string // why bytes before base are missing
	namelessAt int64  // since when no name leads to it; this and the times below by wall.Mono
	size       int64
	done       bool  // read to its end; base+size is the next one's base
	acked      bool  // and acknowledged
	over       int64 // since when, by wall.Mono, if in this run
	fd         int   // -1 when not open
	link       bool  // kept by a name of our own
	grew       int64 // when it was last seen to have grown
	used       int64 // when it was last read
	notBefore  int64 // when to try again after it could not be read
	wait       time.Duration
	restored   bool   // known from the state, not seen in this run yet
	packed     bool   // compressed; sizes and offsets are those of its content
	begins     []byte // how that begins, while it is being looked at
	unpack     *tail.Unpacker
	changed    bool        // it was cut: it does not begin, or go on, as it did
	changedAt  int64       // when that was seen
	cut        bool        // it was cut, and nothing more is to be had of it
	glimpsed   int64       // how long it was when it was last looked at while nothing could be read of it
	cuts       int         // how often it had been cut then
	saved      int         // copies of what it held before that came since
	copied     int64       // how much the copy held when it took the place of what was cut
	copies     *generation // what it is a copy of, made before that is cut
	copy       *generation
	moment
}

func (f *follower) Epoch() uint32 { return f.epoch.Load() }

// at is the logical offset of the cursor.
func (f *follower) at() uint64 {
	if f.cur < len(f.gens) {
		return f.gens[f.cur].base + uint64(f.cursor.Offset)
	}
	if n := len(f.gens); n > 0 && f.gens[n-1].begun {
		return f.gens[n-1].base + uint64(f.gens[n-1].size)
	}
	return max(f.acked.Offset, f.gapAt)
}

func (f *follower) reading() *generation {
	if f.cur < len(f.gens) {
		return f.gens[f.cur]
	}
	return nil
}

// identity is the stream's FileID if g is the first generation of it ever seen.
// It holds neither a mount path nor a device number, so that a sidecar and a
// DaemonSet give the same file the same one.
func identity(machine, session string, f ray.File, g tail.Key) (id loki.FileID) {
	h := sha256.New()
	var n [8]byte
	for _, s := range []string{machine, session, f.Stream, strconv.Itoa(f.Incarnation)} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	binary.BigEndian.PutUint64(n[:], g.Ino)
	h.Write(n[:])
	binary.BigEndian.PutUint64(n[:], uint64(g.Birth))
	h.Write(n[:])
	copy(id[:], h.Sum(nil))
	return id
}

// oldest is the first file of the stream, nil where none is known yet.
func (f *follower) oldest() *generation {
	if len(f.gens) == 0 {
		return nil
	}
	return f.gens[0]
}

// newest is the last file of the stream, nil where none is known yet.
func (f *follower) newest() *generation {
	if len(f.gens) == 0 {
		return nil
	}
	return f.gens[len(f.gens)-1]
}

// size is how many bytes the stream's files have.
func (f *follower) size() (n int64) {
	for _, g := range f.gens {
		n += g.size
	}
	return n
}

// placed reports whether it is known where the stream stands on the server. Before
// that its identity may change yet.
func (f *follower) placed() bool { return f.asked || f.known }

// recordID is what the state knows the stream by: its identity or, before that is
// certain, a name of its own, as another stream may turn out to have that identity.
func (f *follower) recordID() loki.FileID {
	if f.placed() {
		return f.id
	}
	return derived(f.id, "not asked about yet")
}

// derived is another identity made of one.
func derived(id loki.FileID, what string) loki.FileID {
	h := sha256.New()
	h.Write([]byte(what))
	h.Write(id[:])
	return loki.FileID(h.Sum(nil)[:len(id)])
}

// record is what the state keeps of the stream.
func (f *follower) record(now time.Time) *state.Stream {
	s := &state.Stream{
		ID: f.recordID(), Session: f.session.key, Name: f.file.Stream, Asked: f.placed(), Stray: f.stray, Rotation: f.file.Rotation,
		Position: f.acked, Mark: f.marked, At: now.UnixNano(), Gap: f.gap, GapAt: f.gapAt,
	}
	for _, g := range f.gens {
		s.Generations = append(s.Generations, g.record())
	}
	return s
}

func (g *generation) record() state.Generation {
	base := g.base
	if g.placed && !g.begun {
		base = g.place
	}
	return state.Generation{
		Key: g.key, Head: g.head, Print: g.print, Base: base, Size: g.size,
		Rotation: g.rotation, Begun: g.begun || g.placed, Gap: g.gap, Done: g.done && g.acked, Cut: g.cut, Next: g.next,
	}
}

// session is one session directory.
type session struct {
	key     string // place below the root: directories, if any, and the name
	name    string
	root    string // the directory that it lies in
	place   string // what Place is asked
	placed  bool   // all is known of whose it is
	waits   bool   // nothing may be sent before that
	streams int    // that are of it
	machine string // whose files these are: part of their identity
	follows bool   // an agent was here before: it kept files by names of its own
	since   time.Time
	node    parse.Node
	facts   int // counts changes of node
	head    bool
	known   bool // which kind of node this is
	idAt    int64
	files   int
}

func (a *agent) path(n *discover.Name) string { return a.conf.Source.Path(n) }

const nameless = math.MaxInt

// unname notes that no name leads to the generation any more.
func (g *generation) unname() {
	if g.path != "" || g.rotation != nameless {
		g.namelessAt = wall.Mono()
	}
	g.name, g.path, g.rotation = nil, "", nameless
}

// unmet reports whether a name may lead to a file that is not known: it was empty
// when it was looked at.
func (f *follower) unmet() bool {
	named := 0
	for _, g := range f.gens {
		if g.name != nil {
			named++
		}
	}
	return named < len(f.names)
}
