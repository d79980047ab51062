package loki

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/grafana/loki/pkg/push"

	"github.com/remora-ray/remora/internal/logs"
)

// What Loki's own message encodes we read, and the other way round.
func TestPushIsLokis(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		p := randomPush(r)
		var theirs push.PushRequest
		if err := theirs.Unmarshal(AppendPush(nil, p)); err != nil {
			t.Fatal(err)
		}
		for i := range p.Streams {
			p.Streams[i].Range = nil // which Loki skips
		}
		if d := cmp.Diff(p, fromLoki(t, &theirs), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("Loki reads something else (-ours +theirs):\n%s", d)
		}
		body, err := theirs.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodePush(body)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, back, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("we read something else (-sent +read):\n%s", d)
		}
	}
}

func fromLoki(t *testing.T, req *push.PushRequest) *Push {
	t.Helper()
	p := &Push{}
	for _, s := range req.Streams {
		labels, err := logs.ParseLabels(s.Labels)
		if err != nil {
			t.Fatal(err)
		}
		out := Stream{Labels: labels}
		for _, e := range s.Entries {
			var meta []logs.Label
			for _, l := range e.StructuredMetadata {
				meta = append(meta, logs.Label{Name: l.Name, Value: l.Value})
			}
			out.Entries = append(out.Entries, logs.Entry{Time: e.Timestamp.UnixNano(), Line: e.Line, Metadata: logs.Normalize(meta)})
		}
		p.Streams = append(p.Streams, out)
	}
	return p
}

func TestDecodePushRefuses(t *testing.T) {
	good := AppendPush(nil, &Push{Streams: []Stream{{
		Labels:  logs.LabelsOf("a", "b"),
		Entries: []logs.Entry{{Time: 1, Line: "x", Metadata: logs.LabelsOf("m", "v")}},
		Range:   &FileRange{From: 1, To: 2},
	}}})
	for n := 1; n < len(good); n++ {
		if p, err := DecodePush(good[:n]); err == nil {
			t.Errorf("%d of %d bytes decoded to %v", n, len(good), p)
		} else if !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v is not ErrMalformed", n, err)
		}
	}
	backwards := AppendPush(nil, &Push{Streams: []Stream{{Range: &FileRange{From: 2, To: 1}}}})
	if _, err := DecodePush(backwards); err == nil || !strings.Contains(err.Error(), "file range ends at 1 before it begins at 2") {
		t.Error(err)
	}
	p, err := DecodePush([]byte("\x0a\x0b\x0a\x07{a.b=1}\x12\x00\x0a\x09\x0a\x07{a=\"b\"}"))
	if err != nil || len(p.Unreadable) != 1 || p.Unreadable[0].Labels != "{a.b=1}" || p.Unreadable[0].Lines != 1 || len(p.Streams) != 1 {
		t.Errorf("%+v %v", p, err)
	}
}

// A body of nothing but empty parts would take many times its size in memory.
func TestHostileParts(t *testing.T) {
	one := func(b []byte) []byte { // as a stream
		return append(binary.AppendUvarint([]byte{0x0a}, uint64(len(b))), b...)
	}
	many := func(part string) []byte { return bytes.Repeat([]byte(part), 1<<20) }
	for name, body := range map[string][]byte{
		"streams":  many("\x0a\x00"),
		"entries":  one(many("\x12\x00")),
		"metadata": one(append([]byte("\x12\x80\x80\xc0\x02"), many("\x1a\x03\x0a\x01a")...)),
	} {
		if _, err := DecodePush(body); err == nil || !strings.Contains(err.Error(), "more streams, lines and labels than its size allows") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodePushJSON(append(append([]byte(`{"streams":[{}`), many(",{}")...), "]}"...)); err == nil || !strings.Contains(err.Error(), "than its size allows") {
		t.Error(err)
	}
	var labels strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&labels, ",a%d=\"\"", i)
	}
	p, err := DecodePush(one(append(binary.AppendUvarint([]byte{0x0a}, uint64(labels.Len()+1)), "{"+labels.String()[1:]+"}"...)))
	if err != nil || len(p.Unreadable) != 1 || !strings.Contains(p.Unreadable[0].Error(), "at most 262144 are read") {
		t.Errorf("%+v %v", p, err)
	}
}

func FuzzDecodePush(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(AppendPush(nil, randomPush(r)))
	}
	f.Add([]byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := DecodePush(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			return
		}
		p.Unreadable = nil
		again, err := DecodePush(AppendPush(nil, p))
		if err != nil {
			t.Fatalf("our own encoding: %v", err)
		}
		if d := cmp.Diff(p, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("encoded and decoded (-first +second):\n%s", d)
		}
	})
}

func TestDecodePushJSON(t *testing.T) {
	got, err := DecodePushJSON([]byte(` {"other": [1, -2.5e+3, {"a": null}, true, "x"], "streams": [
		{"values": [["5", "li\nne é😀\/", {"b": "2", "a": "1", "c": ""}], ["-7","",null]], "stream": {"job": "j", "empty": ""}},
		{"stream": {"job": "k"}, "values": []}
	]}
	`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Push{Streams: []Stream{
		{
			Labels: logs.LabelsOf("job", "j"),
			Entries: []logs.Entry{
				{Time: 5, Line: "li\nne é😀/", Metadata: logs.LabelsOf("a", "1", "b", "2")},
				{Time: -7},
			},
		},
		{Labels: logs.LabelsOf("job", "k")},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("push differs (-want +got):\n%s", d)
	}
}

// What is not quite a push is taken as Loki takes it.
func TestDecodePushJSONForgives(t *testing.T) {
	for body, want := range map[string]*Push{
		`null`:             {},
		`{"streams":null}`: {},
		`{"streams":[{"stream":{"a":1.50,"b":true,"c":null},"values":[null,["5"],["6","x",{},"more"]]},{"stream":{"d":"e"},"values":null}]}`: {Streams: []Stream{{
			Labels: logs.LabelsOf("a", "1.50", "b", "true", "c", "null"), Entries: []logs.Entry{{Time: 5}, {Time: 6, Line: "x"}},
		}, {Labels: logs.LabelsOf("d", "e")}}},
	} {
		got, err := DecodePushJSON([]byte(body))
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", body, err, d)
		}
	}
}

func TestDecodePushJSONRefuses(t *testing.T) {
	for body, want := range map[string]string{
		``:                                  "JSON ends after 0 bytes, expected an object",
		`[]`:                                "expected an object at byte 0, found '['",
		`{"streams":{}}`:                    "expected an array at byte 11",
		`{"streams":[[]]}`:                  "expected an object at byte 12",
		`{"streams":[{"stream":{"a":{}}}]}`: `value of label "a" is not a string at byte 27`,
		`{"streams":[{"values":[["1","x",{"":""}]]}]}`:           "structured metadata with an empty name",
		`{"streams":[{"values":[["9223372036854775808","x"]]}]}`: "is not a number of nanoseconds",
		"{\"streams\":[{\"values\":[[\"1\",\"a\x01\"]]}]}":       "control character",
		`{"streams":[{"values":[["1","\x"]]}]}`:                  "after a backslash",
		`{"streams":[{"values":[["1","\u12"]]}]}`:                "four hex digits",
		`{"a":` + strings.Repeat("[", 100_000):                   "nested deeper than 64 levels",
		`{"a":01}`:                                               "a comma or }",
		`{"a":1.}`:                                               "a digit",
		`{"a":tru}`:                                              "a value",
		`{"a":1,}`:                                               "a name in quotes",
		`{"a":"`:                                                 "the end of a string",
		`{"a":"\`:                                                "an escaped character",
	} {
		_, err := DecodePushJSON([]byte(body))
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrMalformed) {
			t.Errorf("%.60s: %v, want %q", body, err, want)
		}
	}
}

func TestUnreadableLabelsInJSON(t *testing.T) {
	got, err := DecodePushJSON([]byte(`{"streams":[{"values":[["1","x"]],"stream":{"a b":"1"}},{"stream":{"a":"1","a":"2"}},{"stream":{"ok":"1"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range got.Unreadable {
		told = append(told, fmt.Sprint(e.Lines, " ", e))
	}
	want := []string{
		`1 couldn't parse labels: label name "a b" does not match [a-zA-Z_][a-zA-Z0-9_]*`,
		"0 couldn't parse labels: label a appears twice",
	}
	if d := cmp.Diff(want, told); d != "" || len(got.Streams) != 1 {
		t.Errorf("%d streams (-want +got):\n%s", len(got.Streams), d)
	}
}

// The scanner takes what encoding/json takes, and reads the same.
func FuzzDecodePushJSON(f *testing.F) {
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x\u00e9\ud83d\ude00\ud83d",{"m":"v"}],["2","y"]]}]}`))
	f.Add([]byte(`{"streams":[],"x":[1,-0.5e3,null,true,false,{"a":{}}]}`))
	f.Add([]byte(`{"streams":[{"values":[["1","x",null]]}]} `))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := jsonScanner{text: string(body)}
		err := s.skip(0)
		if s.peek(); err == nil && s.pos < len(s.text) {
			err = s.syntaxError("nothing")
		}
		if valid := json.Valid(body); valid != (err == nil) && (err == nil || !strings.Contains(err.Error(), "nested deeper")) {
			t.Fatalf("scanner says %v, encoding/json valid: %v", err, valid)
		}
		p, err := DecodePushJSON(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("took what is no JSON")
		}
		p.Unreadable = nil
		again, err := DecodePush(AppendPush(nil, p))
		if err != nil {
			// Protobuf holds seconds of a narrower range than nanoseconds.
			if strings.Contains(err.Error(), "out of range") {
				return
			}
			t.Fatalf("as protobuf: %v", err)
		}
		if d := cmp.Diff(p, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("as protobuf (-JSON +protobuf):\n%s", d)
		}
	})
}

// Strings are read as encoding/json reads them, invalid UTF-8 aside, which is
// kept.
func TestJSONStrings(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	pieces := []string{`\n`, `\"`, `\\`, `\/`, `\u0000`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\udc00\ud800`, "é", "😀", "plain", " "}
	for range 2000 {
		var b strings.Builder
		b.WriteByte('"')
		for range r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		b.WriteByte('"')
		var want string
		if err := json.Unmarshal([]byte(b.String()), &want); err != nil {
			t.Fatal(err)
		}
		s := jsonScanner{text: b.String()}
		if got, err := s.str(); err != nil || got != want {
			t.Fatalf("%s: %q %v, want %q", b.String(), got, err, want)
		}
		var back string
		if err := json.Unmarshal(AppendJSONString(nil, want), &back); err != nil || back != want {
			t.Fatalf("%q written and read: %q %v", want, back, err)
		}
	}
}

func FuzzAppendJSONString(f *testing.F) {
	f.Add("a\xffb\x00\u2028<é>\"\\")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendJSONString(nil, s), &back); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(text, &want); err != nil || back != want {
			t.Fatalf("%q became %q, want %q", s, back, want)
		}
	})
}

func TestTimesSurviveProtobuf(t *testing.T) {
	for _, ns := range []int64{0, 1, -1, 999_999_999, -1_000_000_001, math.MaxInt64/2 + 7, time.Now().UnixNano()} {
		p, err := DecodePush(AppendPush(nil, &Push{Streams: []Stream{{Entries: []logs.Entry{{Time: ns, Line: "x"}}}}}))
		if err != nil || p.Streams[0].Entries[0].Time != ns {
			t.Errorf("%d became %v %v", ns, p, err)
		}
	}
}
