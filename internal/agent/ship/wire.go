package ship

import (
	"fmt"

	"github.com/VictoriaMetrics/easyproto"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Field numbers of Loki's push message, see package loki.
const (
	fieldStreams  = 1
	fieldLabels   = 1
	fieldEntries  = 2
	fieldTime     = 1
	fieldLine     = 2
	fieldSeconds  = 1
	fieldNanos    = 2
	perSecond     = 1_000_000_000
	furthestTimes = 9_223_372_035 // seconds that an int64 of nanoseconds holds
)

// fields calls visit for each field of a message; raw is the field with its tag.
func fields(msg []byte, visit func(fc *easyproto.FieldContext, raw []byte) error) error {
	var fc easyproto.FieldContext
	for len(msg) > 0 {
		rest, err := fc.NextField(msg)
		if err != nil {
			return err
		}
		if err := visit(&fc, msg[:len(msg)-len(rest)]); err != nil {
			return err
		}
		msg = rest
	}
	return nil
}

// walk visits what a body that the agent built holds, in place: each stream, and
// each entry with its time and its field as it lies in the stream.
func walk(body []byte, stream func(labels []byte), entry func(ns int64, raw []byte)) error {
	return fields(body, func(fc *easyproto.FieldContext, _ []byte) error {
		msg, ok := fc.MessageData()
		if !ok || fc.FieldNum != fieldStreams {
			return nil
		}
		return fields(msg, func(fc *easyproto.FieldContext, raw []byte) error {
			data, ok := fc.MessageData()
			switch {
			case !ok:
			case fc.FieldNum == fieldLabels:
				stream(data)
			case fc.FieldNum == fieldEntries:
				ns, err := timeOf(data)
				if err != nil {
					return err
				}
				entry(ns, raw)
			}
			return nil
		})
	})
}

func timeOf(entry []byte) (ns int64, err error) {
	stamp, _, err := easyproto.GetMessageData(entry, fieldTime)
	if err != nil {
		return 0, err
	}
	var sec, nsec int64
	err = fields(stamp, func(fc *easyproto.FieldContext, _ []byte) error {
		switch fc.FieldNum {
		case fieldSeconds:
			sec, _ = fc.Int64()
		case fieldNanos:
			v, _ := fc.Int32()
			nsec = int64(v)
		}
		return nil
	})
	if sec > furthestTimes || sec < -furthestTimes {
		return 0, fmt.Errorf("time stamp %d s is out of range", sec)
	}
	return sec*perSecond + nsec, err
}

// item is an entry of a batch on its way to a Loki.
type item struct {
	part   int // of the batch
	stream int // of the load
	time   int64
	raw    []byte // field of a stream, in the batch's body
	filed  bool   // it has gone into a stream of its own
}

// lineLen is the length of the entry's line.
func (it *item) lineLen() int {
	entry, _, err := easyproto.GetMessageData(it.raw, fieldEntries)
	if err != nil {
		return 0
	}
	line, _, err := easyproto.GetBytes(entry, fieldLine)
	if err != nil {
		return 0
	}
	return len(line)
}

// load is what a batch holds for a Loki, entry by entry.
type load struct {
	streams []string // labels, each once
	index   map[string]int
	items   []item

	buf, entries []byte
}

// take takes a batch apart.
func (l *load) take(b *pipeline.Batch) error {
	l.streams, l.items = l.streams[:0], l.items[:0]
	if l.index == nil {
		l.index = map[string]int{}
	}
	clear(l.index)
	for i := range b.Parts {
		at := 0
		err := walk(b.Bytes(i), func(labels []byte) { at = l.stream(string(labels)) }, func(ns int64, raw []byte) {
			l.items = append(l.items, item{part: i, stream: at, time: ns, raw: raw})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// release lets go of the batch, and of what a large one took.
func (l *load) release() {
	clear(l.items)
	if cap(l.buf)+cap(l.entries) > keptBuffer {
		l.buf, l.entries = nil, nil
	}
	if cap(l.items) > keptItems {
		l.items = nil
	}
}

// keptItems is how many entries there is room for from batch to batch: more than
// the usual batch of 1 MiB has.
const keptItems = 1 << 14

func (l *load) stream(labels string) int {
	i, ok := l.index[labels]
	if !ok {
		i = len(l.streams)
		l.index[labels], l.streams = i, append(l.streams, labels)
	}
	return i
}

// body is a push of items, which are of one stream. It is good until the next one.
func (l *load) body(items []item) []byte {
	entries, ok := adjoining(items)
	if !ok {
		l.entries = l.entries[:0]
		for i := range items {
			l.entries = append(l.entries, items[i].raw...)
		}
		entries = l.entries
	}
	l.buf = loki.AppendStream(l.buf[:0], l.streams[items[0].stream], entries, nil)
	return l.buf
}

// adjoining is the place of all items in the batch's body, if they lie there one
// behind the other.
func adjoining(items []item) ([]byte, bool) {
	all := items[0].raw
	n := len(all)
	for _, it := range items[1:] {
		if n >= cap(all) || len(it.raw) == 0 || &all[:n+1][n] != &it.raw[0] {
			return nil, false
		}
		n += len(it.raw)
	}
	return all[:n], true
}

// with is a stream's labels with one more; ok is false where they have it.
func with(labels, name, value string) (text string, ok bool) {
	ls, err := logs.ParseLabels(labels)
	if err != nil {
		return labels, false
	}
	if _, has := ls.Lookup(name); has {
		return labels, false
	}
	all := append(make([]logs.Label, 0, len(ls)+1), ls...)
	return logs.Normalize(append(all, logs.Label{Name: name, Value: value})).String(), true
}
