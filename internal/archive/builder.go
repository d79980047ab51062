package archive

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/ray"
)

// source is one of the given paths, or one archive in a given folder.
type source struct {
	path string
	node string // the name its own name gives
}

// builder sorts files into nodes, sessions and streams as they are found.
type builder struct {
	found   map[nodeKey]*foundNode
	order   []nodeKey
	outputs []foundOutput
}

// nodeKey is where a node's session directories lie.
type nodeKey struct {
	source source
	prefix string // the Ray temp directory's path in the source
}

type foundNode struct {
	sessions map[string]*foundSession
	order    []string
}

type foundSession struct {
	ids   []foundID
	gcs   bool // a GCS has written its port
	files []*Generation
}

type foundID struct {
	id    string
	mtime time.Time
}

type foundOutput struct {
	source source
	output output
	gen    *Generation
}

// wants tells whether a file's bytes are needed.
func (b *builder) wants(name string) bool {
	_, _, rest, ok := splitSession(name)
	if !ok {
		_, isOutput := parseOutput(path.Base(name))
		return isOutput
	}
	_, isID := ray.NodeIDFromEntry(rest)
	return isID || strings.HasPrefix(rest, "logs/")
}

// directory notes a session directory, which may be empty.
func (b *builder) directory(src source, name string) {
	if prefix, session, rest, ok := splitSession(name); ok && rest == "" {
		b.session(src, prefix, session)
	}
}

// file notes a file that is wanted.
func (b *builder) file(src source, name string, size int64, mtime time.Time, c content) {
	prefix, session, rest, ok := splitSession(name)
	if !ok {
		if o, ok := parseOutput(path.Base(name)); ok && !o.compressed {
			b.output(src, o, size, mtime, c)
		}
		return
	}
	s := b.session(src, prefix, session)
	if id, ok := ray.NodeIDFromEntry(rest); ok {
		s.gcs = s.gcs || strings.HasPrefix(rest, "gcs_server_port_")
		s.ids = append(s.ids, foundID{id, mtime})
		return
	}
	if rel, ok := strings.CutPrefix(rest, "logs/"); ok {
		s.files = append(s.files, &Generation{File: ray.ParsePath(rel), Size: size, ModTime: mtime, content: c})
	}
}

// output notes a file beside the sessions.
func (b *builder) output(src source, o output, size int64, mtime time.Time, c content) {
	b.outputs = append(b.outputs, foundOutput{src, o, &Generation{File: o.file, Size: size, ModTime: mtime, content: c}})
}

func (b *builder) session(src source, prefix, name string) *foundSession {
	if b.found == nil {
		b.found = make(map[nodeKey]*foundNode)
	}
	key := nodeKey{src, prefix}
	n := b.found[key]
	if n == nil {
		n = &foundNode{sessions: make(map[string]*foundSession)}
		b.found[key] = n
		b.order = append(b.order, key)
	}
	s := n.sessions[name]
	if s == nil {
		s = &foundSession{}
		n.sessions[name] = s
		n.order = append(n.order, name)
	}
	return s
}

// splitSession splits a path at its first session directory.
func splitSession(name string) (prefix, session, rest string, ok bool) {
	at := 0
	for at <= len(name) {
		end := strings.IndexByte(name[at:], '/')
		if end < 0 {
			end = len(name) - at
		}
		if part := name[at : at+end]; isSession(part) {
			rest = strings.TrimPrefix(name[at+end:], "/")
			return strings.TrimSuffix(name[:at], "/"), part, rest, true
		}
		at += end + 1
	}
	return "", "", "", false
}

// nodes gives what was found, the head first.
func (b *builder) nodes() []*Node {
	perSource := make(map[source]int)
	for _, k := range b.order {
		perSource[k.source]++
	}
	var nodes []*Node
	for _, k := range b.order {
		n := &Node{Name: nodeName(k, perSource[k.source] > 1), Path: path.Join(k.source.path, k.prefix)}
		f := b.found[k]
		slices.Sort(f.order)
		for _, name := range f.order {
			n.Sessions = append(n.Sessions, f.sessions[name].build(name))
		}
		nodes = append(nodes, n)
	}
	slices.SortStableFunc(nodes, func(x, y *Node) int { return rank(x) - rank(y) })
	return b.attachOutputs(nodes)
}

// rank puts heads first: only a head has a GCS.
func rank(n *Node) int {
	if n.IsHead() {
		return 0
	}
	return 1
}

// IsHead tells whether the node has run a GCS.
func (n *Node) IsHead() bool {
	for _, s := range n.Sessions {
		if s.gcs {
			return true
		}
		for _, st := range s.Streams {
			if st.File.Component == ray.ComponentGCS {
				return true
			}
		}
	}
	return false
}

// nodeName prefers the archive's name; where a source holds several nodes it is
// the name of each one's directory.
func nodeName(k nodeKey, several bool) string {
	base := path.Base(k.prefix)
	if k.prefix == "" || base == "ray" {
		base = path.Base(path.Dir(k.prefix))
	}
	if base == "." || base == "/" {
		base = ""
	}
	if several || k.source.node == "" {
		return base
	}
	return k.source.node
}

// attachOutputs gives each output to the node it names, else to the first node of
// the same place, which is the head.
func (b *builder) attachOutputs(nodes []*Node) []*Node {
	slices.SortStableFunc(b.outputs, func(x, y foundOutput) int { return strings.Compare(x.output.file.Path, y.output.file.Path) })
	for _, o := range b.outputs {
		n := owner(nodes, o)
		if n == nil {
			n = &Node{Name: o.output.node, Path: o.source.path}
			nodes = append(nodes, n)
		}
		n.Outside = append(n.Outside, &Stream{File: o.output.file, Generations: []*Generation{o.gen}})
	}
	return nodes
}

func owner(nodes []*Node, o foundOutput) *Node {
	var first *Node
	for _, m := range nodes {
		if m.Path != o.source.path && !strings.HasPrefix(m.Path, strings.TrimSuffix(o.source.path, "/")+"/") {
			continue
		}
		if m.Name == o.output.node || (o.output.node == "" && m.Name == headName) {
			return m
		}
		if first == nil && o.output.node == "" {
			first = m
		}
	}
	return first
}

func (f *foundSession) build(name string) *Session {
	s := &Session{}
	s.Session, _ = ray.ParseSession(name)
	s.NodeIDs, s.gcs = f.nodeIDs(), f.gcs
	streams := make(map[string]*Stream)
	for _, g := range f.latest() {
		if g.File.Skip != "" {
			s.Skipped = append(s.Skipped, Skipped{g.File, g.Size})
			continue
		}
		st := streams[g.File.Stream]
		if st == nil {
			st = &Stream{}
			streams[g.File.Stream] = st
			s.Streams = append(s.Streams, st)
		}
		st.Generations = append(st.Generations, g)
	}
	for _, st := range s.Streams {
		slices.SortStableFunc(st.Generations, olderFirst)
		st.File = st.Generations[0].File
	}
	slices.SortFunc(s.Streams, func(a, b *Stream) int { return strings.Compare(a.File.Stream, b.File.Stream) })
	slices.SortFunc(s.Skipped, func(a, b Skipped) int { return strings.Compare(a.File.Path, b.File.Path) })
	return s
}

// latest leaves out files of which the archive holds a later copy.
func (f *foundSession) latest() []*Generation {
	at := make(map[string]int)
	var files []*Generation
	for _, g := range f.files {
		if i, twice := at[g.File.Path]; twice {
			files[i] = g
			continue
		}
		at[g.File.Path] = len(files)
		files = append(files, g)
	}
	return files
}

// olderFirst orders generations: raylet.out.2, raylet.out.1, raylet.out.
func olderFirst(a, b *Generation) int {
	if a.File.Rotation != b.File.Rotation {
		return b.File.Rotation - a.File.Rotation
	}
	return a.ModTime.Compare(b.ModTime)
}

// nodeIDs lists each id once, that of the youngest files first.
func (f *foundSession) nodeIDs() []string {
	slices.SortStableFunc(f.ids, func(a, b foundID) int { return b.mtime.Compare(a.mtime) })
	var ids []string
	for _, i := range f.ids {
		if !slices.Contains(ids, i.id) {
			ids = append(ids, i.id)
		}
	}
	return ids
}
