package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/archive"
	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// importSource is one stream of an archive and what is known of it.
type importSource struct {
	stream    *archive.Stream
	session   string // "" for output that belongs to none
	started   time.Time
	nodeID    string
	file      loki.FileID
	source    parse.Source
	within    *archive.Session // nil for output that belongs to none
	facts     *archive.Facts   // what other files of the session tell; nil where within is
	committed uint64           // what the server has
}

// importSources lists the streams of nodes, each with its identity: a hash of
// session, node and path, so that importing again goes on instead of doubling.
func importSources(nodes []*archive.Node, cluster string, zone *time.Location) []*importSource {
	var out []*importSource
	heads := false
	for _, n := range nodes {
		heads = heads || n.IsHead()
	}
	for _, n := range nodes {
		at := parse.Node{Cluster: cluster, Pod: n.Name}
		switch {
		case n.IsHead():
			at.Type = "head"
		case heads:
			at.Type = "worker"
		}
		unnamed := n.Name == "head" || n.Name == "" // what the archive calls it, no pod's name
		if unnamed {
			at.Pod = ""
		}
		for _, s := range n.Sessions {
			at.ID, at.IP = "", ""
			name := n.Name
			if unnamed { // a directory and an archive of it are the same
				name = "head"
			}
			if len(s.NodeIDs) > 0 {
				name = s.NodeIDs[len(s.NodeIDs)-1] // the oldest stays when Ray starts again
			}
			if len(s.NodeIDs) == 1 { // of several, a file does not tell whose it is
				at.ID = s.NodeIDs[0]
			}
			for _, st := range s.Streams {
				source := newImportSource(st, s.Session, at, name, zone)
				source.within = s
				out = append(out, source)
			}
		}
		var session ray.Session
		if len(n.Sessions) == 1 {
			session = n.Sessions[0].Session
		}
		at.ID = ""
		for _, st := range n.Outside {
			out = append(out, newImportSource(st, session, at, n.Name, zone))
		}
	}
	return out
}

func newImportSource(st *archive.Stream, session ray.Session, at parse.Node, node string, zone *time.Location) *importSource {
	s := &importSource{stream: st, session: session.Name, started: session.Started, nodeID: at.ID}
	// What lies in no session is known by its cluster at least.
	within := first(session.Name, at.Cluster)
	sum := sha256.Sum256([]byte(strings.Join([]string{"import", within, node, st.File.Stream}, "\x00")))
	copy(s.file[:], sum[:])
	s.source = parse.Source{
		File: st.File, Context: ray.Context{Session: session.Name, Location: zone},
		Labels: at.Labels(st.File), Metadata: at.Metadata(session.Name, st.File),
	}
	return s
}

// importer sends streams to a server until it has all of them.
//
//	archive ─▶ parse.Stream ─▶ batch of about 1 MiB ─▶ push, again until it is answered
type importer struct {
	client   *client.Client
	sources  []*importSource
	now      func() time.Time
	notice   func(format string, args ...any)
	progress func(done uint64, what string)
	// A server that cannot take lines is given up after so long without a success.
	patience time.Duration

	before uint64 // bytes that were there when the import began
	sent   struct {
		Lines int
		Bytes uint64
	}
	done uint64 // bytes read or known to be there

	body    []byte // the batch
	entries []byte
	parts   []importPart
	redo    map[*importSource]uint64 // where the server wants a stream from
}

type importPart struct {
	source *importSource
	lines  int
	bytes  uint64
}

const (
	importBatch = 1 << 20
	importChunk = 1 << 20
)

// ask learns from the server what it has.
func (i *importer) ask(ctx context.Context) error {
	for rest := i.sources; len(rest) > 0; {
		some := rest[:min(1000, len(rest))]
		rest = rest[len(some):]
		ids := make([]loki.FileID, len(some))
		for n, s := range some {
			ids[n] = s.file
		}
		answers, err := i.client.Offsets(ctx, ids)
		var status *client.StatusError
		if errors.As(err, &status) && status.Status == http.StatusNotFound {
			return &hinted{fmt.Errorf("%s is not a Remora server: it does not say what it has, so an import could double lines", i.client.Addr()), "see --addr"}
		}
		if err != nil {
			return err
		}
		for n, a := range answers {
			some[n].committed = a.Committed
			i.before += min(a.Committed, uint64(some[n].stream.Size()))
		}
	}
	return nil
}

// refuseLive refuses sessions whose lines are on the server but came there under
// other identities: an agent shipped them. A session of which any stream has
// been imported before is one to go on with.
func (i *importer) refuseLive(ctx context.Context) error {
	type part struct{ session, nodeID string }
	imported, newest := map[part]bool{}, map[part]time.Time{}
	for _, s := range i.sources {
		if s.session == "" {
			continue
		}
		p := part{s.session, s.nodeID}
		imported[p] = imported[p] || s.committed > 0
		for _, g := range s.stream.Generations {
			if g.ModTime.After(newest[p]) {
				newest[p] = g.ModTime
			}
		}
	}
	for p, known := range imported {
		if known {
			continue
		}
		session, _ := ray.ParseSession(p.session)
		query := `{job="ray/logs"} | session=` + strconv.Quote(p.session)
		if p.nodeID != "" { // other nodes of the session may well be there
			query += ` | node_id=~` + strconv.Quote("|"+p.nodeID)
		}
		pages := paging{
			client: i.client, query: query, direction: logs.Backward, limit: 1, warn: i.notice,
			start: session.Started.Add(-24 * time.Hour), end: latest(newest[p], session.Started).Add(25 * time.Hour),
		}
		if _, err := pages.each(ctx, func([]client.Line) error { return nil }); err != nil {
			return fmt.Errorf("ask whether an agent has shipped %s: %w", p.session, err)
		}
		if pages.passed > 0 {
			return &hinted{
				fmt.Errorf("lines of %s are on the server already, shipped by an agent or imported under another name: importing it would double them", p.session),
				"--force imports it all the same",
			}
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// run sends what the server does not have.
func (i *importer) run(ctx context.Context) error {
	todo := map[*importSource]uint64{}
	for _, s := range i.sources {
		todo[s] = s.committed
	}
	// The server tells where it goes on; it does so again only where it lost what
	// it had said it has, so a few rounds are enough for a healthy one.
	for round := 0; len(todo) > 0; round++ {
		if round == 5 {
			return errors.New("server changes its mind about what it has, again and again: see its log")
		}
		i.redo = map[*importSource]uint64{}
		for _, s := range i.sources {
			if from, ok := todo[s]; ok {
				if err := i.stream(ctx, s, from); err != nil {
					return err
				}
			}
		}
		if err := i.flush(ctx); err != nil {
			return err
		}
		todo = i.redo
	}
	return nil
}

// stream reads one stream from its first byte, as attribution needs it, and
// batches what lies behind committed.
func (i *importer) stream(ctx context.Context, s *importSource, committed uint64) error {
	size := uint64(s.stream.Size())
	if size <= committed {
		i.advance(size, s)
		return nil
	}
	source := s.source
	if s.facts != nil {
		source.Fill = s.facts.Of(s.stream)
	}
	lines := parse.New(source, parse.Remora)
	at := uint64(0)
	for _, g := range s.stream.Generations {
		if err := i.generation(ctx, s, g, lines, &at, committed); err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) generation(ctx context.Context, s *importSource, g *archive.Generation, lines *parse.Stream, at *uint64, committed uint64) error {
	r, err := g.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	written := g.ModTime.UnixNano()
	if g.ModTime.Unix() <= 0 { // an archive that keeps no times
		written = s.started.UnixNano()
	}
	buf := make([]byte, 0, importChunk+parse.MaxLine)
	for ended := false; ; {
		if !ended {
			n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
			ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
			if err != nil && !ended {
				return fmt.Errorf("read %s: %w", g.File.Path, err)
			}
		}
		if len(buf) == 0 {
			break
		}
		chunk := parse.Chunk{Data: buf, At: *at, Ended: ended, Emit: committed, Now: written, Written: written}
		var res parse.Result
		i.entries, res = lines.Append(i.entries[:0], chunk, importBatch)
		if res.Consumed == 0 && ended {
			return fmt.Errorf("read %s: %d bytes at its end are no lines", g.File.Path, len(buf))
		}
		to := *at + uint64(res.Consumed)
		if to > committed {
			i.body = lines.AppendStream(i.body, i.entries, loki.FileRange{File: s.file, From: max(*at, committed), To: to})
			i.parts = append(i.parts, importPart{s, res.Lines, to - max(*at, committed)})
		}
		*at = to
		buf = buf[:copy(buf, buf[res.Consumed:])]
		i.advance(uint64(res.Consumed), s)
		if len(i.body) >= importBatch {
			if err := i.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *importer) advance(n uint64, s *importSource) {
	i.done += n
	i.progress(i.done, s.stream.File.Stream)
}

// flush sends the batch until the server has answered it.
func (i *importer) flush(ctx context.Context) error {
	if len(i.parts) == 0 {
		return nil
	}
	err := i.push(ctx)
	refused := map[loki.FileID]uint64{}
	var r *client.RefusedError
	if errors.As(err, &r) {
		for _, f := range r.Files {
			refused[f.File] = f.Committed
		}
	} else if err != nil {
		return err
	}
	for _, p := range i.parts {
		if committed, ok := refused[p.source.file]; ok {
			i.redo[p.source] = committed
			continue
		}
		i.sent.Lines += p.lines
		i.sent.Bytes += p.bytes
	}
	i.body, i.parts = i.body[:0], i.parts[:0]
	return nil
}

// push sends the body, again where the server is away or full.
func (i *importer) push(ctx context.Context) error {
	wait := 250 * time.Millisecond
	giveUp := i.now().Add(i.patience)
	for {
		err := i.client.Push(ctx, i.body)
		var unreachable *client.UnreachableError
		var status *client.StatusError
		later := errors.As(err, &unreachable) || errors.As(err, &status) && status.Temporary()
		if !later || ctx.Err() != nil || !i.now().Before(giveUp) {
			return err
		}
		pause := wait
		if status != nil && status.RetryAfter > 0 {
			pause = min(status.RetryAfter, time.Minute)
		}
		pause = max(min(pause, giveUp.Sub(i.now())), 0).Round(time.Millisecond)
		i.notice("remora import: %s; trying again in %s", err, pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		wait = min(2*wait, 15*time.Second)
	}
}
