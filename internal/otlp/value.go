package otlp

import (
	"encoding/base64"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/VictoriaMetrics/easyproto"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// maxDepth bounds lists and maps in one another: a few bytes of a body make a
// level, and each takes a call to read.
const maxDepth = 32

var errDeep = errors.New("values are nested deeper than 32 levels")

// value is an AnyValue as it was sent.
type value struct{ src []byte }

// attribute reads a KeyValue.
func (d *decoder) attribute(fc *easyproto.FieldContext, visit func(key string, v value) error) error {
	data, err := message(fc)
	if err != nil {
		return err
	}
	key, v, err := pair(data)
	if err != nil || key == "" {
		return err
	}
	return visit(key, v)
}

func pair(src []byte) (key string, v value, err error) {
	var fc easyproto.FieldContext
	for len(src) > 0 {
		if src, err = fc.NextField(src); err != nil {
			return "", v, err
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			key, ok = fc.String()
		case 2:
			v.src, ok = fc.MessageData()
		}
		if !ok {
			return "", v, errWireType
		}
	}
	return key, v, nil
}

// flatten appends a value under a name, the members of a map each under its own:
// outer_inner.
func (d *decoder) flatten(dst *[]logs.Label, name string, v value, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	members, err := v.list(6)
	if err != nil {
		return err
	}
	if members == nil {
		text, err := v.text()
		if err != nil {
			return err
		}
		return d.add(dst, logs.Label{Name: name, Value: text})
	}
	for _, m := range members {
		key, inner, err := pair(m)
		if err != nil {
			return err
		}
		// Names grow with depth, and are paid for.
		if d.room -= (len(name) + len(key)) / 4; d.room < 0 {
			return errRoom
		}
		if err := d.flatten(dst, logs.CleanName(name+"_"+key), inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// list returns the members of a map (field 6) or the elements of a list (5); nil
// where the value is something else.
func (v value) list(field uint32) (out [][]byte, err error) {
	var fc, inner easyproto.FieldContext
	for src := v.src; len(src) > 0; {
		if src, err = fc.NextField(src); err != nil {
			return nil, err
		}
		if fc.FieldNum != field {
			continue
		}
		data, ok := fc.MessageData()
		if !ok {
			return nil, errWireType
		}
		out = [][]byte{}
		for len(data) > 0 {
			if data, err = inner.NextField(data); err != nil {
				return nil, err
			}
			if inner.FieldNum != 1 {
				continue
			}
			m, ok := inner.MessageData()
			if !ok {
				return nil, errWireType
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// text is a value as a line or a label has it: text as it is, lists and maps as
// JSON, bytes in base64.
func (v value) text() (string, error) {
	plain, isText, err := v.scalar()
	if err != nil || isText {
		return plain, err
	}
	b, err := v.appendJSON(nil, 0)
	if err != nil || string(b) == "null" {
		return "", err
	}
	return string(b), nil
}

// scalar returns a text, or bytes in base64.
func (v value) scalar() (text string, ok bool, err error) {
	var fc easyproto.FieldContext
	for src := v.src; len(src) > 0; {
		if src, err = fc.NextField(src); err != nil {
			return "", false, err
		}
		switch fc.FieldNum {
		case 1:
			if text, ok = fc.String(); !ok {
				return "", false, errWireType
			}
		case 7:
			raw, isBytes := fc.Bytes()
			if !isBytes {
				return "", false, errWireType
			}
			text, ok = base64.StdEncoding.EncodeToString(raw), true
		}
	}
	return text, ok, nil
}

// appendJSON appends a value as JSON, the names of maps sorted.
func (v value) appendJSON(dst []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	if text, ok, err := v.scalar(); err != nil || ok {
		return loki.AppendJSONString(dst, text), err
	}
	var fc easyproto.FieldContext
	for src := v.src; len(src) > 0; {
		var err error
		if src, err = fc.NextField(src); err != nil {
			return nil, err
		}
		switch fc.FieldNum {
		case 2:
			b, ok := fc.Bool()
			if !ok {
				return nil, errWireType
			}
			return strconv.AppendBool(dst, b), nil
		case 3:
			n, ok := fc.Int64()
			if !ok {
				return nil, errWireType
			}
			return strconv.AppendInt(dst, n, 10), nil
		case 4:
			f, ok := fc.Double()
			if !ok {
				return nil, errWireType
			}
			return appendFloat(dst, f), nil
		case 5:
			return v.appendArray(dst, depth)
		case 6:
			return v.appendMap(dst, depth)
		}
	}
	return append(dst, "null"...), nil
}

func (v value) appendArray(dst []byte, depth int) ([]byte, error) {
	elements, err := v.list(5)
	if err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = (value{e}).appendJSON(dst, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (v value) appendMap(dst []byte, depth int) ([]byte, error) {
	members, err := v.list(6)
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]value, len(members))
	for _, m := range members {
		key, inner, err := pair(m)
		if err != nil {
			return nil, err
		}
		byKey[key] = inner
	}
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(byKey)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(loki.AppendJSONString(dst, key), ':')
		if dst, err = byKey[key].appendJSON(dst, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendFloat appends a number as JSON writes it.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, `"`+strconv.FormatFloat(f, 'g', -1, 64)+`"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

// unsafeBytes reads a string as bytes, so that what is cut from it needs no copy.
// Nobody writes them.
func unsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
