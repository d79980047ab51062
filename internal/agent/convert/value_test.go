package convert

import (
	"regexp"
	"testing"
	"time"
)

// Alloy writes over the groups of an expression, the agent over all that is found.
func TestGroupsAreWrittenOver(t *testing.T) {
	for _, c := range []struct{ expr, with, line, want string }{
		{`secret`, "***", "a secret b", "a *** b"},
		{`(secret)`, "$1", "a secret b", "a $1 b"},
		{`password=(\S+)`, "***", "x password=abc y password=d", "x password=*** y password=***"},
		{`(?i)user=(\w+) from=(\w+)`, "-", "USER=ann from=here.", "USER=- from=-."},
		{`a(b|c)d`, "x", "abd acd aed", "axd axd aed"},
	} {
		regex, template, ok := overwrite(c.expr, regexp.MustCompile(`\$`).ReplaceAllString(c.with, "$$$$"))
		if !ok {
			t.Errorf("%s is not carried", c.expr)
			continue
		}
		if got := regexp.MustCompile(regex).ReplaceAllString(c.line, template); got != c.want {
			t.Errorf("%s: %q, want %q", c.expr, got, c.want)
		}
	}
	for _, expr := range []string{`((a)b)`, `(?:(a)|b)c`, `(a)*`} {
		if regex, _, ok := overwrite(expr, "x"); ok {
			t.Errorf("%s became %s", expr, regex)
		}
	}
}

func TestTimeFormats(t *testing.T) {
	want := time.Date(2026, 11, 21, 5, 6, 1, 604e6, time.UTC)
	for _, c := range []struct{ format, text string }{
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-21T05:06:01.604Z"},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-21T06:06:01.604+0100"},
		{"%d/%b/%Y:%H:%M:%S,%L %z", "21/Nov/2026:05:06:01,604 +0000"},
		{"%F %T.%L", "2026-11-21 05:06:01.604"},
		{"%a %B %e %I:%M:%S.%L %p %y", "Sat November 21 05:06:01.604 AM 26"},
	} {
		layout, ok := goLayout(c.format)
		got, err := time.Parse(layout, c.text)
		if !ok || err != nil || !got.Equal(want) {
			t.Errorf("%s became %s: %v, %v", c.format, layout, got, err)
		}
	}
	for _, format := range []string{"%Q", "%", "at 12 %H", "%H%"} {
		if layout, ok := goLayout(format); ok {
			t.Errorf("%s became %s", format, layout)
		}
	}
}

func TestPatternsOfContainers(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"/var/log/containers/*.log", "*"},
		{"/var/log/containers/raycluster-*.log", "*/raycluster-*/*"},
		{"/var/log/containers/head-x_ray_ray-head-*.log", "ray/head-x/ray-head"},
		{"/var/log/containers/*_ray_*.log", "ray/*/*"},
		{"/var/log/pods/*/*/*.log", "*"},
		{"/var/log/pods/ray_*/ray-head/*.log", "ray_*/ray-head"},
		{"/var/log/pods/ray_*/*/0.log", "ray_*"},
	} {
		if got, ok := podLogs(c.path); !ok || got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	if got, ok := podLogs("/var/log/app/*.log"); ok {
		t.Errorf("files of an application became containers %q", got)
	}
}
