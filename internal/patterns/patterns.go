// Package patterns finds what lines have in common: "closed <_> after <_> ms"
// for thousands of lines that differ in an address and a number. It is a Drain
// tree (He et al., "Drain: an online log parsing approach with fixed depth tree",
// ICWS 2017): lines of the same number of words and the same first words are
// compared, and words in which similar ones differ become <_>.
//
// Invariant: memory does not grow with the number of lines, and a pattern matches,
// as LogQL's |> reads it, every line that was counted for it.
package patterns

import (
	"slices"
	"strings"
)

// Any stands for text that differs from line to line.
const Any = "<_>"

const (
	maxClusters = 1000 // of one miner
	maxWords    = 100  // of a line; what follows is Any
	maxBytes    = 4096 // of a line; what follows is Any
	maxLeaf     = 50   // clusters that a line is compared with
	keyWords    = 2    // first words that lines of a cluster share
	// So many words of a line and a cluster must be the same, of ten.
	similarTenths = 5
)

// Miner gathers patterns of lines that it is given one by one. It is for one
// goroutine.
type Miner struct {
	leaves   map[string][]*Cluster
	clusters []*Cluster
	tokens   []string
	key      []byte
	missed   int
}

// Cluster is lines that have a pattern in common.
type Cluster struct {
	tokens []string      // words and what stands between them, by turns
	counts map[int64]int // lines by step
	total  int
}

// New returns an empty miner.
func New() *Miner { return &Miner{leaves: make(map[string][]*Cluster)} }

// Add counts a line at a step. The line may change afterwards.
func (m *Miner) Add(line string, step int64) {
	m.tokens = split(m.tokens[:0], line)
	m.key = m.appendKey(m.key[:0])
	leaf := m.leaves[string(m.key)]
	c := nearest(leaf, m.tokens)
	if c == nil {
		if len(m.clusters) == maxClusters || len(leaf) == maxLeaf {
			m.missed++
			return
		}
		c = &Cluster{tokens: make([]string, len(m.tokens)), counts: make(map[int64]int)}
		for i, t := range m.tokens {
			c.tokens[i] = strings.Clone(t)
		}
		m.clusters = append(m.clusters, c)
		m.leaves[string(m.key)] = append(leaf, c)
	} else {
		c.widen(m.tokens)
	}
	c.counts[step]++
	c.total++
}

// Missed is the number of lines for which there was no room.
func (m *Miner) Missed() int { return m.missed }

// Clusters returns what was found, the most frequent first. Clusters of one
// pattern are one.
func (m *Miner) Clusters() []*Cluster {
	byPattern := make(map[string]*Cluster, len(m.clusters))
	var out []*Cluster
	for _, c := range m.clusters {
		p := c.Pattern()
		first := byPattern[p]
		if first == nil {
			byPattern[p] = c
			out = append(out, c)
			continue
		}
		first.total += c.total
		for step, n := range c.counts {
			first.counts[step] += n
		}
	}
	slices.SortStableFunc(out, func(a, b *Cluster) int { return b.total - a.total })
	return out
}

// Total is the number of lines.
func (c *Cluster) Total() int { return c.total }

// Counts are the lines by step.
func (c *Cluster) Counts() map[int64]int { return c.counts }

// Pattern is what the lines have in common. Neighbouring places that differ are
// one, as LogQL asks.
func (c *Cluster) Pattern() string {
	var b strings.Builder
	open := false
	for _, t := range c.tokens {
		if t == Any {
			if !open {
				b.WriteString(Any)
			}
			open = true
			continue
		}
		if t != "" {
			b.WriteString(t)
			open = false
		}
	}
	return b.String()
}

// widen makes Any of what differs from the line.
func (c *Cluster) widen(tokens []string) {
	for i, t := range tokens {
		if c.tokens[i] != t {
			c.tokens[i] = Any
		}
	}
}

// appendKey appends what lines of one leaf share: how many words they have and
// the first of them, those with digits left out.
func (m *Miner) appendKey(dst []byte) []byte {
	dst = append(dst, byte(len(m.tokens)), byte(len(m.tokens)>>8))
	for i, words := 1, 0; i < len(m.tokens) && words < keyWords; i, words = i+2, words+1 {
		if w := m.tokens[i]; !hasDigit(w) {
			dst = append(dst, w...)
		}
		dst = append(dst, 0)
	}
	return dst
}

// nearest is the cluster with the most words in common, nil where none is near.
func nearest(leaf []*Cluster, tokens []string) (best *Cluster) {
	words := len(tokens) / 2
	most := -1
	for _, c := range leaf {
		same := 0
		for i := 1; i < len(tokens); i += 2 {
			if c.tokens[i] == tokens[i] {
				same++
			}
		}
		if words == 0 && c.tokens[0] != tokens[0] {
			continue
		}
		if same > most && same*10 >= words*similarTenths {
			best, most = c, same
		}
	}
	return best
}

// split cuts a line into tokens: what stands before the first word, the word, what
// stands between it and the next, and so on; their number is odd.
func split(dst []string, line string) []string {
	cut := false
	if len(line) > maxBytes {
		line, cut = line[:maxBytes], true
	}
	start, inWord := 0, false
	for i := 0; i < len(line); i++ {
		if isWord(line, i) == inWord {
			continue
		}
		if !inWord && len(dst) >= 2*maxWords {
			cut = true
			line = line[:i]
			break
		}
		dst = append(dst, fixed(line[start:i]))
		start, inWord = i, !inWord
	}
	dst = append(dst, fixed(line[start:]))
	if inWord {
		dst = append(dst, "")
	}
	if cut {
		dst[len(dst)-1] = Any
	}
	return dst
}

// fixed is a token that stands for itself: LogQL would read <name> as a place.
func fixed(token string) string {
	if strings.IndexByte(token, '<') >= 0 {
		return Any
	}
	return token
}

var separators = func() (set [256]bool) {
	for _, c := range []byte(" \t\r\n,;=\"'`()[]{}<>|&?") {
		set[c] = true
	}
	return set
}()

// isWord reports whether the byte belongs to a word. A colon or point does where
// something follows it.
func isWord(line string, i int) bool {
	c := line[i]
	if c == ':' || c == '.' {
		return i+1 < len(line) && !separators[line[i+1]] && i > 0 && !separators[line[i-1]]
	}
	return !separators[c]
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }
