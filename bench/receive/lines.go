package receive

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Lines is a set of lines in any order: how many there are, their bytes without
// line ends, and the sum of their checksums. Equal sets have equal Lines, and a
// lost, doubled or changed line makes another.
type Lines struct {
	Number, Bytes int64
	Empty         int64 // of Number
	Sum           uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Add adds one line, given without its end.
func (l *Lines) Add(line []byte) {
	l.Number++
	if len(line) == 0 {
		l.Empty++
	}
	l.Bytes += int64(len(line))
	l.Sum += uint64(crc32.Checksum(line, castagnoli))
}

func (l *Lines) join(o Lines) {
	l.Number, l.Bytes, l.Empty, l.Sum = l.Number+o.Number, l.Bytes+o.Bytes, l.Empty+o.Empty, l.Sum+o.Sum
}

// WithoutEmpty are the lines that hold something.
func (l Lines) WithoutEmpty() Lines {
	l.Number, l.Empty = l.Number-l.Empty, 0
	return l
}

// Field numbers that lead to each record of a body, and from there to its line.
// Source: push.proto of github.com/grafana/loki/pkg/push, logs_service.proto and
// logs.proto of github.com/open-telemetry/opentelemetry-proto (both Apache-2.0).
var (
	lokiRecord, lokiLine = []uint64{1, 2}, []uint64{2}       // streams, entries; line
	otlpRecord, otlpLine = []uint64{1, 2, 2}, []uint64{5, 1} // resource_logs, scope_logs, log_records; body, string_value
)

// loki adds the lines of a push body of Loki's API, not compressed.
func (l *Lines) loki(body []byte) error { return l.records(body, lokiRecord, lokiLine) }

// otlp adds the lines of a body of OTLP, not compressed.
func (l *Lines) otlp(body []byte) error { return l.records(body, otlpRecord, otlpLine) }

// records adds each record's line; protobuf leaves the field of an empty one out.
func (l *Lines) records(body []byte, record, line []uint64) error {
	var text []byte
	note := func(t []byte) error {
		text = t
		return nil
	}
	return Each(body, record, func(r []byte) error {
		text = nil
		err := Each(r, line, note)
		l.Add(text)
		return err
	})
}

var errProtobuf = errors.New("body is no protobuf")

// Each calls do for every length-delimited field of a protobuf message that path,
// the numbers of fields within fields, leads to.
func Each(message []byte, path []uint64, do func([]byte) error) error {
	if len(path) == 0 {
		return do(message)
	}
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errProtobuf
		}
		message = message[n:]
		size, skip, err := extent(message, tag&7)
		if err != nil {
			return err
		}
		if tag == path[0]<<3|2 {
			if err := Each(message[skip:size], path[1:], do); err != nil {
				return err
			}
		}
		message = message[size:]
	}
	return nil
}

// extent is how many bytes a field's value takes, and how many of these stand
// before the text of a length-delimited one.
func extent(value []byte, wire uint64) (size, skip int, err error) {
	switch wire {
	case 0:
		_, size = binary.Uvarint(value)
	case 1:
		size = 8
	case 2:
		var n uint64
		n, skip = binary.Uvarint(value)
		if skip <= 0 || n > uint64(len(value)-skip) {
			return 0, 0, errProtobuf
		}
		size = skip + int(n)
	case 5:
		size = 4
	}
	if size <= 0 || size > len(value) {
		return 0, 0, errProtobuf
	}
	return size, skip, nil
}
