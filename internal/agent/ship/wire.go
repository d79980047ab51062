package ship

import (
	"fmt"

	"github.com/VictoriaMetrics/easyproto"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Field numbers of Loki's push message, see package loki.
const (
	fieldStreams  = 1
	fieldLabels   = 1
	fieldEntries  = 2
	fieldRange    = 1000
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

// ranged reports whether a body's first stream carries the range of a file, as all
// do or none.
func ranged(body []byte) bool {
	stream, ok, err := easyproto.GetMessageData(body, fieldStreams)
	if err != nil || !ok {
		return false
	}
	_, ok, err = easyproto.GetMessageData(stream, fieldRange)
	return err == nil && ok
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
}

// add takes the entries of a part.
func (l *load) add(part int, body []byte) error {
	at := 0
	return walk(body, func(labels []byte) { at = l.stream(string(labels)) }, func(ns int64, raw []byte) {
		l.items = append(l.items, item{part: part, stream: at, time: ns, raw: raw})
	})
}

func (l *load) stream(labels string) int {
	i, ok := l.index[labels]
	if !ok {
		if l.index == nil {
			l.index = map[string]int{}
		}
		i = len(l.streams)
		l.index[labels], l.streams = i, append(l.streams, labels)
	}
	return i
}

// body is a push of items, which must lie sorted by stream.
func (l *load) body(items []item) []byte {
	var dst, entries []byte
	for i := 0; i < len(items); {
		entries = entries[:0]
		of := items[i].stream
		for ; i < len(items) && items[i].stream == of; i++ {
			entries = append(entries, items[i].raw...)
		}
		dst = loki.AppendStream(dst, l.streams[of], entries, nil)
	}
	return dst
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
