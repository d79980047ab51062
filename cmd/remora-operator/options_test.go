package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
		says   string // on either output
	}{
		{[]string{"--help"}, exitDone, "Exit status: 0"},
		{[]string{"--version"}, exitDone, "remora-operator "},
		{[]string{"--no-such-flag"}, exitUsage, "no-such-flag"},
		{[]string{"all"}, exitUsage, `unexpected argument "all"`},
		{[]string{"--logs-url", "remora:3100"}, exitUsage, "write it as http://HOST:PORT"},
		{[]string{"--logs-token-secret", "name"}, exitUsage, "write it as NAME/KEY"},
		{[]string{"--reconcile-concurrency", "0"}, exitUsage, "must be positive"},
		{[]string{"--lost-after", "0s"}, exitUsage, "--lost-after must be positive"},
	} {
		var stdout, stderr bytes.Buffer
		status := command(t.Context(), test.args, &stdout, &stderr)
		if out := stdout.String() + stderr.String(); status != test.status || !strings.Contains(out, test.says) {
			t.Errorf("%v: status %d, want %d, and %q in:\n%s", test.args, status, test.status, test.says, out)
		}
	}
}

func TestNamespacesAndToken(t *testing.T) {
	o, err := parse([]string{"--watch-namespace", "a, b,", "--logs-token-secret", "s/k"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(o.namespaces, "|"); got != "a|b" {
		t.Errorf("namespaces %q, want a and b", got)
	}
	if s := o.agent.TokenSecret; s == nil || s.Name != "s" || s.Key != "k" {
		t.Errorf("the token is in %v, want key k of s", s)
	}
}
