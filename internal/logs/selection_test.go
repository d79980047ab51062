package logs

import (
	"strings"
	"testing"
)

func TestMatchers(t *testing.T) {
	for _, tc := range []struct {
		op             MatchOp
		pattern, value string
		want           bool
	}{
		{Equal, "head", "head", true},
		{Equal, "", "", true},
		{NotEqual, "head", "", true},
		{Regexp, "he.*", "head", true},
		{Regexp, "ea", "head", false}, // anchored at both ends
		{Regexp, "a|head", "head", true},
		{Regexp, ".*", "two\nlines", true},
		{Regexp, ".+", "", false},
		{NotRegexp, "he|ad", "head", true},
		{NotRegexp, "he.*", "head", false},
	} {
		m, err := NewMatcher("node_type", tc.op, tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Matches(tc.value); got != tc.want {
			t.Errorf("%s on %q is %v", m, tc.value, got)
		}
	}
}

func TestAMatcherThatDoesNotCompileNamesItself(t *testing.T) {
	_, err := NewMatcher("pod", Regexp, "(")
	if err == nil || !strings.Contains(err.Error(), `pod=~"("`) {
		t.Errorf("error %v does not name the matcher", err)
	}
}

func TestRecordLabelPrefersTheStream(t *testing.T) {
	r := Record{Stream: LabelsOf("a", "stream"), Entry: Entry{Metadata: LabelsOf("a", "metadata", "b", "metadata")}}
	if r.Label("a") != "stream" || r.Label("b") != "metadata" || r.Label("c") != "" {
		t.Errorf("labels are %q %q %q", r.Label("a"), r.Label("b"), r.Label("c"))
	}
}
