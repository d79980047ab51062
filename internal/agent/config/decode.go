package config

import (
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/logs"
)

// decoder writes YAML nodes into Go values by their yaml tags, goes on after a
// mistake, and knows where each one is.
type decoder struct {
	file   string
	expand *expander
	places map[string]Position // of keys and items, by their paths
	broken []string            // paths of values that are wrong already
	errs   Errors
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.broken = append(d.broken, path)
	if len(d.errs) >= maxErrors {
		return
	}
	msg := fmt.Sprintf(format, args...)
	if len(msg) > 2000 {
		msg = strings.ToValidUTF8(msg[:2000], "") + "…"
	}
	if path != "" {
		msg = path + ": " + msg
	}
	d.errs = append(d.errs, &Error{File: d.file, Line: n.Line, Column: n.Column, Msg: msg})
}

// maxErrors bounds how much is told of one file.
const maxErrors = 50

// value decodes n into v, which is at path.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(n, path, "anchors and aliases are not supported: write it out")
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *yaml.Node:
		*p = *n
		return
	case yaml.Unmarshaler:
		if err := p.UnmarshalYAML(n); err != nil {
			d.fail(n, path, "%s", d.quiet(n, err.Error()))
		}
		return
	case *logs.Labels:
		d.labels(n, p, path)
		return
	}
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() != reflect.Struct || d.isScalar(v) {
		d.scalar(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	default:
		panic("config: no way to decode a " + v.Type().String())
	}
}

// isScalar reports whether a value is written as one word.
func (d *decoder) isScalar(v reflect.Value) bool {
	switch v.Addr().Interface().(type) {
	case **time.Location, encoding.TextUnmarshaler:
		return true
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer:
		return false
	default:
		return true
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// structure decodes a mapping of known keys.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "must be a mapping of keys to values")
		return
	}
	fields := map[string]reflect.Value{}
	fieldsOf(v, fields)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		f, ok := fields[key.Value]
		at := join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, path, "a key must be a word")
		case !ok:
			d.fail(key, at, "unknown key, %s", hint(key.Value, keysOf(v.Type())))
		case seen[key.Value]:
			d.fail(key, at, "is there twice")
		default:
			seen[key.Value] = true
			d.places[at] = Position{key.Line, key.Column}
			d.value(val, f, at)
		}
	}
}

// fieldsOf adds the fields of a struct by their keys, those of inlined ones too.
func fieldsOf(v reflect.Value, to map[string]reflect.Value) {
	for i := range v.NumField() {
		switch name, inline := tag(v.Type().Field(i)); {
		case inline:
			fieldsOf(v.Field(i), to)
		case name != "":
			to[name] = v.Field(i)
		}
	}
}

// keysOf are the keys of a struct in the order of its fields.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		switch name, inline := tag(t.Field(i)); {
		case inline:
			keys = append(keys, keysOf(t.Field(i).Type)...)
		case name != "":
			keys = append(keys, name)
		}
	}
	return keys
}

// tag reads a field's yaml tag; name is "" for a field that is no key.
func tag(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return "", false
	}
	return name, strings.Contains(options, "inline")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "must be a list: begin each item with a - or write [a, b]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.places[at] = Position{c.Line, c.Column}
		d.value(c, v.Index(i), at)
	}
}

// pairs calls do for each key and value of a free mapping.
func (d *decoder) pairs(n *yaml.Node, path string, do func(key, val *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "must be a mapping of names to values")
		return
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Value == "" || key.Value == "<<":
			d.fail(key, path, "a name must be a word")
		case slices.Contains(seen, key.Value):
			d.fail(key, join(path, key.Value), "is there twice")
		default:
			seen = append(seen, key.Value)
			do(key, val)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, val *yaml.Node) {
		x := reflect.New(v.Type().Elem()).Elem()
		d.value(val, x, join(path, key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value), x)
	})
}

func (d *decoder) labels(n *yaml.Node, to *logs.Labels, path string) {
	var all []logs.Label
	d.pairs(n, path, func(key, val *yaml.Node) {
		var v string
		d.value(val, reflect.ValueOf(&v).Elem(), join(path, key.Value))
		if !logs.ValidName(key.Value) || strings.HasPrefix(key.Value, "__") {
			d.fail(key, join(path, key.Value), "is not a label's name: letters, digits and _, no digit first, no __ first")
			return
		}
		all = append(all, logs.Label{Name: key.Value, Value: v})
	})
	*to = logs.Normalize(all)
}

// scalar decodes one word.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "must be a single value")
		return
	}
	if isNull(n) {
		return
	}
	if _, expanded := d.expand.raw[n]; expanded && n.Value == "" {
		if d.expand.failed[n] {
			d.broken = append(d.broken, path)
		}
		if v.Kind() != reflect.String {
			return // the default stays
		}
	}
	if err := setScalar(v, n.Value); err != nil {
		d.fail(n, path, "%s", d.quiet(n, err.Error()))
	}
}

// setScalar sets v to what s says; errors quote s by %q or not at all.
func setScalar(v reflect.Value, s string) error {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		x, err := parseDuration(s)
		*p = x
		return err
	case *slog.Level:
		return setLevel(p, s)
	case **time.Location:
		l, err := time.LoadLocation(s)
		if err != nil {
			return fmt.Errorf("%q is not a time zone: write Europe/Berlin or UTC", s)
		}
		*p = l
		return nil
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(s))
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setScalar(v.Elem(), s)
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		if s != "true" && s != "false" {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		v.SetBool(s == "true")
	case reflect.Int, reflect.Int64, reflect.Int32:
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		v.SetFloat(f)
	default:
		panic("config: no way to decode a " + v.Type().String())
	}
	return nil
}

func setLevel(l *slog.Level, s string) error {
	switch s {
	case "debug":
		*l = slog.LevelDebug
	case "info":
		*l = slog.LevelInfo
	case "warn":
		*l = slog.LevelWarn
	case "error":
		*l = slog.LevelError
	default:
		return fmt.Errorf("%q is not a level: write debug, info, warn or error", s)
	}
	return nil
}

// quiet takes values from elsewhere out of a message about n.
func (d *decoder) quiet(n *yaml.Node, msg string) string {
	if raw, ok := d.expand.raw[n]; ok && n.Value != "" {
		msg = strings.ReplaceAll(msg, strconv.Quote(n.Value), strconv.Quote(raw))
	}
	return d.expand.mask(msg)
}
