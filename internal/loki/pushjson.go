package loki

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/remora-ray/remora/internal/logs"
)

// DecodePushJSON reads a JSON body that has been decompressed:
//
//	{"streams": [{"stream": {name: value}, "values": [["<ns>", "line", {name: value}]]}]}
//
// The third element of a value is structured metadata and may be missing, as may the
// line, which is empty then; null stands for no values, or for none of them; other
// members are skipped. As in Loki a number or a word as a label's value is taken as it
// is written. Strings of the result share one copy of src, which the caller may use
// again. Metadata is sorted; of equal names the last wins. Streams whose labels cannot
// be read are left out and listed.
func DecodePushJSON(src []byte) (*Push, error) {
	d := jsonPush{jsonScanner: jsonScanner{text: string(src)}, room: partsAllowed(len(src))}
	p, err := d.push()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

type jsonPush struct {
	jsonScanner
	room parts
	pool []logs.Label // blocks of metadata, shared by many entries
}

func (d *jsonPush) push() (*Push, error) {
	p := &Push{}
	if d.peek(); !d.word("null") {
		if err := d.object(func(name string) error { return d.streams(p, name) }); err != nil {
			return nil, err
		}
	}
	if d.peek(); d.pos < len(d.text) {
		return nil, d.syntaxError("nothing after the push")
	}
	return p, nil
}

// streams reads a member of the push.
func (d *jsonPush) streams(p *Push, name string) error {
	if name != "streams" {
		return d.skip(0)
	}
	if d.word("null") {
		return nil
	}
	return d.array(func(int) error {
		var s Stream
		if err := d.room.take(); err != nil {
			return err
		}
		wrong, err := d.stream(&s)
		if wrong != nil {
			wrong.Lines = len(s.Entries)
			p.Unreadable = append(p.Unreadable, wrong)
		} else {
			p.Streams = append(p.Streams, s)
		}
		return err
	})
}

func (d *jsonPush) stream(s *Stream) (wrong *LabelError, err error) {
	err = d.object(func(name string) error {
		switch name {
		case "stream":
			var err error
			wrong, err = d.streamLabels(s)
			return err
		case "values":
			if d.word("null") {
				return nil
			}
			return d.array(func(int) error {
				if d.word("null") {
					return nil
				}
				if err := d.room.take(); err != nil {
					return err
				}
				s.Entries = append(s.Entries, logs.Entry{})
				return d.value(&s.Entries[len(s.Entries)-1])
			})
		default:
			return d.skip(0)
		}
	})
	return wrong, err
}

// streamLabels reads labels by the rules of ParseLabels.
func (d *jsonPush) streamLabels(s *Stream) (wrong *LabelError, err error) {
	ls := make([]logs.Label, 0, 8)
	err = d.object(func(name string) error {
		if err := d.room.take(); err != nil {
			return err
		}
		value, err := d.label(name)
		ls = append(ls, logs.Label{Name: name, Value: value})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, l := range ls {
		if !logs.ValidName(l.Name) {
			err := fmt.Errorf("label name %s does not match [a-zA-Z_][a-zA-Z0-9_]*", quoteShort(l.Name))
			return &LabelError{Labels: logs.Labels(ls).String(), Err: err}, nil
		}
	}
	if name, twice := logs.Repeated(ls); twice {
		return &LabelError{Labels: logs.Labels(ls).String(), Err: fmt.Errorf("label %s appears twice", name)}, nil
	}
	s.Labels = logs.Normalize(ls)
	return nil, nil
}

// label reads the value of a stream's label.
func (d *jsonPush) label(name string) (string, error) {
	switch d.peek() {
	case '"':
		return d.str()
	case '{', '[':
		return "", fmt.Errorf("value of label %s is not a string at byte %d", quoteShort(name), d.pos)
	}
	start := d.pos
	err := d.skip(0)
	return d.text[start:d.pos], err
}

// labels appends the members of an object of structured metadata, whose values must
// be strings.
func (d *jsonPush) labels(dst *[]logs.Label) error {
	return d.object(func(name string) error {
		if d.peek() != '"' {
			return fmt.Errorf("value of structured metadata %s is not a string at byte %d", quoteShort(name), d.pos)
		}
		if err := d.room.take(); err != nil {
			return err
		}
		value, err := d.str()
		*dst = append(*dst, logs.Label{Name: name, Value: value})
		return err
	})
}

func (d *jsonPush) value(e *logs.Entry) error {
	start, count := d.pos, 0
	err := d.array(func(i int) error {
		count++
		switch i {
		case 0:
			return d.timestamp(e)
		case 1:
			if d.peek() != '"' {
				return fmt.Errorf("log line is not a string at byte %d", d.pos)
			}
			var err error
			e.Line, err = d.str()
			return err
		case 2:
			return d.metadata(e)
		default:
			return d.skip(0)
		}
	})
	if err == nil && count == 0 {
		err = fmt.Errorf("a value needs a time stamp and a line at byte %d", start)
	}
	return err
}

func (d *jsonPush) timestamp(e *logs.Entry) error {
	if d.peek() != '"' {
		return fmt.Errorf("time stamp is not a string of nanoseconds at byte %d", d.pos)
	}
	at := d.pos
	text, err := d.str()
	if err != nil {
		return err
	}
	e.Time, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("time stamp %s is not a number of nanoseconds at byte %d", quoteShort(text), at)
	}
	return nil
}

func (d *jsonPush) metadata(e *logs.Entry) error {
	if d.word("null") {
		return nil
	}
	if d.peek() != '{' {
		return fmt.Errorf("structured metadata is not an object at byte %d", d.pos)
	}
	start := len(d.pool)
	if err := d.labels(&d.pool); err != nil {
		return err
	}
	own := d.pool[start:len(d.pool):len(d.pool)]
	for _, l := range own {
		if l.Name == "" {
			return errors.New("structured metadata with an empty name")
		}
	}
	if len(own) > 0 {
		e.Metadata = metadataOf(own)
	}
	if cap(d.pool)-len(d.pool) < 64 {
		d.pool = make([]logs.Label, 0, 1024)
	}
	return nil
}

// quoteShort quotes at most 64 bytes of s for an error message.
func quoteShort(s string) string {
	if len(s) > 64 {
		return strconv.Quote(s[:64]) + "…"
	}
	return strconv.Quote(s)
}
