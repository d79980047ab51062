// Package otlp reads logs as OpenTelemetry's exporters send them and makes a push
// of them, by Loki's rules: some attributes of a resource are the stream's labels,
// all else is structured metadata, and the body is the line.
//
// Source of the messages: opentelemetry/proto/logs/v1/logs.proto and
// common/v1/common.proto (Apache-2.0), version 1.
package otlp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/easyproto"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// labelAttributes of a resource are labels of its stream.
var labelAttributes = []string{
	"service.name", "service.namespace", "service.instance.id", "deployment.environment", "deployment.environment.name",
	"cloud.region", "cloud.availability_zone", "k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name",
	"container.name", "k8s.replicaset.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
}

// LabelAttributes are the attributes of a resource that are labels of its stream.
func LabelAttributes() []string { return slices.Clone(labelAttributes) }

// ErrMalformed is wrapped by every error of Decode and DecodeJSON.
var ErrMalformed = errors.New("malformed OTLP logs")

// DecodeJSON reads a body of OTLP's JSON.
func DecodeJSON(src []byte, now time.Time) (*loki.Push, error) {
	var u plog.JSONUnmarshaler
	data, err := u.UnmarshalLogs(src)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var m plog.ProtoMarshaler
	proto, err := m.MarshalLogs(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return Decode(proto, now)
}

// Decode reads a body of OTLP's protobuf, not compressed. Lines without a time
// get now. Strings of the result share one copy of src, which the caller may use
// again.
func Decode(src []byte, now time.Time) (*loki.Push, error) {
	d := decoder{now: now.UnixNano(), room: 1<<16 + len(src)/2}
	text := string(src)
	p := &loki.Push{}
	err := d.fields(unsafeBytes(text), func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 1 {
			return nil
		}
		data, err := message(fc)
		if err != nil {
			return err
		}
		s, err := d.resourceLogs(data)
		if err == nil && len(s.Entries) > 0 {
			p.Streams = append(p.Streams, s)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

type decoder struct {
	now  int64
	room int // labels that the result may still have
	pool []logs.Label
}

// fields calls visit for each field of a message.
func (d *decoder) fields(src []byte, visit func(*easyproto.FieldContext) error) error {
	var fc easyproto.FieldContext
	for len(src) > 0 {
		var err error
		if src, err = fc.NextField(src); err != nil {
			return err
		}
		if err := visit(&fc); err != nil {
			return err
		}
	}
	return nil
}

var errRoom = errors.New("it has more attributes than its size allows: send less at a time")

var errWireType = errors.New("a field has another type than OTLP gives it")

func message(fc *easyproto.FieldContext) ([]byte, error) {
	data, ok := fc.MessageData()
	if !ok {
		return nil, errWireType
	}
	return data, nil
}

// resourceLogs makes a stream of what one resource has logged.
func (d *decoder) resourceLogs(src []byte) (s loki.Stream, err error) {
	var labels, shared []logs.Label
	// The resource comes first in what is sent, but need not.
	err = d.fields(src, func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 1 {
			return nil
		}
		data, err := message(fc)
		if err != nil {
			return err
		}
		return d.fields(data, func(fc *easyproto.FieldContext) error {
			if fc.FieldNum != 1 {
				return nil
			}
			return d.attribute(fc, func(key string, v value) error {
				if slices.Contains(labelAttributes, key) {
					return d.flatten(&labels, logs.CleanName(key), v, 0)
				}
				return d.flatten(&shared, logs.CleanName(key), v, 0)
			})
		})
	})
	if err != nil {
		return s, err
	}
	s.Labels = logs.Normalize(labels)
	err = d.fields(src, func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 2 {
			return nil
		}
		data, err := message(fc)
		if err != nil {
			return err
		}
		return d.scopeLogs(data, shared, &s.Entries)
	})
	return s, err
}

// scopeLogs reads the records of one scope.
func (d *decoder) scopeLogs(src []byte, resource []logs.Label, entries *[]logs.Entry) error {
	shared := slices.Clone(resource)
	err := d.fields(src, func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 1 {
			return nil
		}
		data, err := message(fc)
		if err != nil {
			return err
		}
		return d.fields(data, func(fc *easyproto.FieldContext) error {
			var ok bool
			switch fc.FieldNum {
			case 1, 2:
				l := logs.Label{Name: "scope_name"}
				if fc.FieldNum == 2 {
					l.Name = "scope_version"
				}
				if l.Value, ok = fc.String(); !ok {
					return errWireType
				}
				return d.add(&shared, l)
			case 3:
				return d.attribute(fc, func(key string, v value) error { return d.flatten(&shared, logs.CleanName(key), v, 0) })
			case 4:
				n, ok := fc.Uint32()
				if !ok {
					return errWireType
				}
				return d.count(&shared, "scope_dropped_attributes_count", n)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return d.fields(src, func(fc *easyproto.FieldContext) error {
		if fc.FieldNum != 2 {
			return nil
		}
		data, err := message(fc)
		if err != nil {
			return err
		}
		e, err := d.record(data, shared)
		if err == nil {
			*entries = append(*entries, e)
		}
		return err
	})
}

// record reads one line. What it says of itself gives way to what its resource
// and scope say by the same name, as in Loki.
func (d *decoder) record(src []byte, shared []logs.Label) (e logs.Entry, err error) {
	var own []logs.Label
	var sent, observed uint64
	err = d.fields(src, func(fc *easyproto.FieldContext) error {
		ok := true
		var text string
		var number uint32
		var raw []byte
		switch fc.FieldNum {
		case 1:
			sent, ok = fc.Fixed64()
		case 2:
			var n int32
			if n, ok = fc.Int32(); ok && n != 0 {
				return d.add(&own, logs.Label{Name: "severity_number", Value: strconv.Itoa(int(n))})
			}
		case 3:
			if text, ok = fc.String(); ok {
				return d.add(&own, logs.Label{Name: "severity_text", Value: text})
			}
		case 5:
			body, err := message(fc)
			if err != nil {
				return err
			}
			e.Line, err = value{body}.text()
			return err
		case 6:
			return d.attribute(fc, func(key string, v value) error { return d.flatten(&own, logs.CleanName(key), v, 0) })
		case 7:
			if number, ok = fc.Uint32(); ok {
				return d.count(&own, "dropped_attributes_count", number)
			}
		case 8:
			if number, ok = fc.Fixed32(); ok {
				return d.count(&own, "flags", number)
			}
		case 9, 10:
			if raw, ok = fc.Bytes(); ok {
				return d.id(&own, fc.FieldNum, raw)
			}
		case 11:
			observed, ok = fc.Fixed64()
		case 12:
			if text, ok = fc.String(); ok {
				return d.add(&own, logs.Label{Name: "event_name", Value: text})
			}
		}
		if !ok {
			return errWireType
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	e.Time = d.now
	switch {
	case sent != 0:
		e.Time = int64(min(sent, 1<<63-1))
		if observed != 0 {
			own = append(own, logs.Label{Name: "observed_timestamp", Value: strconv.FormatUint(observed, 10)})
		}
	case observed != 0:
		e.Time = int64(min(observed, 1<<63-1))
	}
	e.Metadata, err = d.metadata(own, shared)
	return e, err
}

// metadata joins labels; of equal names the last wins.
func (d *decoder) metadata(own, shared []logs.Label) (logs.Labels, error) {
	if d.room -= len(own) + len(shared); d.room < 0 {
		return nil, errRoom
	}
	n := len(own) + len(shared)
	if n == 0 {
		return nil, nil
	}
	if cap(d.pool)-len(d.pool) < n {
		d.pool = make([]logs.Label, 0, max(1024, n))
	}
	start := len(d.pool)
	d.pool = append(append(d.pool, own...), shared...)
	return logs.Normalize(d.pool[start:len(d.pool):len(d.pool)]), nil
}

// add appends a label that is not empty.
func (d *decoder) add(dst *[]logs.Label, l logs.Label) error {
	if l.Value == "" {
		return nil
	}
	if d.room--; d.room < 0 {
		return errRoom
	}
	*dst = append(*dst, l)
	return nil
}

func (d *decoder) count(dst *[]logs.Label, name string, n uint32) error {
	if n == 0 {
		return nil
	}
	return d.add(dst, logs.Label{Name: name, Value: strconv.FormatUint(uint64(n), 10)})
}

// id appends a trace's or a span's identity, unless it is all zeros.
func (d *decoder) id(dst *[]logs.Label, field uint32, raw []byte) error {
	name, size := "trace_id", 16
	if field == 10 {
		name, size = "span_id", 8
	}
	if len(raw) != 0 && len(raw) != size {
		return fmt.Errorf("%s has %d bytes, want %d", name, len(raw), size)
	}
	for _, c := range raw {
		if c != 0 {
			return d.add(dst, logs.Label{Name: name, Value: hex.EncodeToString(raw)})
		}
	}
	return nil
}
