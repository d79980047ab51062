package parse

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errLanes = errors.New("state of its outputs is cut short or damaged")

// appendLanes appends what is known of the outputs of a file.
func (g *staged) appendLanes(dst []byte) []byte {
	if g.reader == nil {
		return g.lanes[0].parser.AppendState(dst)
	}
	dst = appendBlock(dst, g.reader.AppendState(nil))
	for i := range g.lanes {
		l := &g.lanes[i]
		dst = binary.AppendUvarint(dst, l.entry)
		dst = binary.AppendUvarint(dst, uint64(l.split))
		dst = appendBlock(dst, l.parser.AppendState(nil))
	}
	return dst
}

func (g *staged) restoreLanes(b []byte, p *Position) error {
	if g.reader == nil {
		g.lanes[0].entry, g.lanes[0].split = p.Entry, p.Split
		if len(b) == 0 {
			return nil
		}
		return g.lanes[0].parser.Restore(b)
	}
	if len(b) == 0 {
		return nil
	}
	head, b, ok := cutBlock(b)
	if !ok {
		return errLanes
	}
	if err := g.reader.Restore(head); err != nil {
		return err
	}
	for i := range g.lanes {
		l := &g.lanes[i]
		entry, n := binary.Uvarint(b)
		if n <= 0 {
			return errLanes
		}
		split, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return errLanes
		}
		state, rest, ok := cutBlock(b[n+m:])
		if !ok {
			return errLanes
		}
		if err := l.parser.Restore(state); err != nil {
			return err
		}
		l.entry, l.split, b = entry, uint32(split), rest
	}
	return nil
}

func appendBlock(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func cutBlock(b []byte) (block, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	return b[k : k+int(n)], b[k+int(n):], true
}

// appendRun appends the state of the stages, and of the times they have set.
func (g *staged) appendRun(dst []byte) []byte {
	if g.run == nil {
		return dst
	}
	dst = binary.AppendVarint(dst, g.own.seen)
	dst = binary.AppendVarint(dst, g.own.last)
	return g.run.AppendState(dst)
}

func (g *staged) restoreRun(b []byte) error {
	if g.run == nil || len(b) == 0 {
		return nil
	}
	seen, n := binary.Varint(b)
	if n <= 0 {
		return errLanes
	}
	last, m := binary.Varint(b[n:])
	if m <= 0 {
		return errLanes
	}
	g.own = clock{seen: seen, last: last}
	if err := g.run.Restore(b[n+m:]); err != nil {
		return fmt.Errorf("stages: %w", err)
	}
	return nil
}
