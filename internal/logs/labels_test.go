package logs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLabels(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Labels
		err  string // a part of the message; "" for none
	}{
		{`{}`, Labels{}, ""},
		{`{a="b"}`, LabelsOf("a", "b"), ""},
		{` { b = "2" , a='1' , } `, LabelsOf("a", "1", "b", "2"), ""},
		{`{a="with \"quotes\", comma and \n"}`, LabelsOf("a", "with \"quotes\", comma and \n"), ""},
		{`{a='it\'s "so"'}`, LabelsOf("a", `it's "so"`), ""},
		{"{a=`raw\\n`}", LabelsOf("a", `raw\n`), ""},
		{`{a="", b="x"}`, LabelsOf("b", "x"), ""},
		{`{a="b"`, nil, "not enclosed"},
		{`a="b"`, nil, "not enclosed"},
		{`{a.b="c"}`, nil, `"a.b"`},
		{`{1a="c"}`, nil, `"1a"`},
		{`{a=b}`, nil, "not a quoted string"},
		{`{a='b}`, nil, "not closed"},
		{`{a="b" c="d"}`, nil, "comma"},
		{`{a="b", a="c"}`, nil, "twice"},
		{`{a}`, nil, "no value"},
		{`{` + strings.Repeat("x", 500) + `}`, nil, "…"},
	} {
		got, err := ParseLabels(tc.in)
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("ParseLabels(%s): error %v, want one with %q", tc.in, err, tc.err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); tc.err == "" && diff != "" {
			t.Errorf("ParseLabels(%s) (-want +got):\n%s", tc.in, diff)
		}
	}
}

func TestNormalizeKeepsTheLastOfEqualNames(t *testing.T) {
	got := LabelsOf("b", "1", "a", "1", "b", "2", "c", "1", "c", "")
	if diff := cmp.Diff(Labels{{"a", "1"}, {"b", "2"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookupInLargeAndSmallSets(t *testing.T) {
	var pairs []string
	for c := 'a'; c <= 'z'; c++ {
		pairs = append(pairs, string(c), strings.ToUpper(string(c)))
		ls := LabelsOf(pairs...)
		for i := 0; i < len(pairs); i += 2 {
			if got := ls.Get(pairs[i]); got != pairs[i+1] {
				t.Fatalf("of %d labels %s is %q", len(ls), pairs[i], got)
			}
		}
		if _, ok := ls.Lookup("nope"); ok {
			t.Fatalf("of %d labels one that is not there was found", len(ls))
		}
	}
}

// What String writes ParseLabels reads back.
func FuzzParseLabels(f *testing.F) {
	f.Add(`{a="b", c='d'}`)
	f.Add("{a=`b`}")
	f.Add(`{a="\xff\u2028"}`)
	f.Fuzz(func(t *testing.T, s string) {
		ls, err := ParseLabels(s)
		if err != nil {
			return
		}
		again, err := ParseLabels(ls.String())
		if err != nil {
			t.Fatalf("%s, written from %q, cannot be read: %v", ls, s, err)
		}
		if !again.Equal(ls) {
			t.Fatalf("%q was read as %s, then as %s", s, ls, again)
		}
	})
}
