package discover

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		include, exclude string
		yes, no          []string
		enters, leaves   []string
		roots            []string
	}{
		{
			include: "/var/log/app/**/*.log", exclude: "**/*.tmp.log",
			yes:    []string{"/var/log/app/a.log", "/var/log/app/b/c/a.log"},
			no:     []string{"/var/log/a.log", "/var/log/app/a.out", "/var/log/app/b/x.tmp.log"},
			enters: []string{"/var/log/app", "/var/log/app/b/c"}, leaves: []string{"/var/log/other", "/var/logs"},
			roots: []string{"/var/log/app"},
		},
		{
			include: "/srv/*/logs/[ab]?.{log,out}",
			yes:     []string{"/srv/x/logs/a1.log", "/srv/y/logs/b2.out"},
			no:      []string{"/srv/logs/a1.log", "/srv/x/logs/c1.log", "/srv/x/logs/deep/a1.log"},
			enters:  []string{"/srv", "/srv/x", "/srv/x/logs"}, leaves: []string{"/srv/x/other", "/srv/x/logs/deep"},
			roots: []string{"/srv"},
		},
		{
			include: "/opt/one.log,/opt/sub/*.log", exclude: "old*,/opt/sub/skip/**",
			yes:    []string{"/opt/one.log", "/opt/sub/x.log"},
			no:     []string{"/opt/two.log", "/opt/sub/old.log"},
			leaves: []string{"/opt/other", "/opt/sub/skip", "/opt/sub/skip/x"},
			roots:  []string{"/opt"},
		},
		{
			include: "/a/{b/c,d}/*.log",
			yes:     []string{"/a/b/c/x.log", "/a/d/x.log"},
			no:      []string{"/a/b/x.log"},
			enters:  []string{"/a/b", "/a/b/c", "/a/d"},
			roots:   []string{"/a"},
		},
		{
			include: `/a/star\*/x.log`,
			yes:     []string{"/a/star*/x.log"}, no: []string{"/a/starry/x.log"},
			enters: []string{"/a/star*"}, leaves: []string{"/a/starry"}, roots: []string{"/a/star*"},
		},
	} {
		f, err := NewFiles(split(c.include), split(c.exclude), "", false)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.roots, f.Roots()); d != "" {
			t.Errorf("%s: roots (-want +got):\n%s", c.include, d)
		}
		for _, p := range c.yes {
			if f.Name(p) == nil {
				t.Errorf("%s does not take %s", c.include, p)
			}
			if d := filepath.Dir(p); f.Enter(d) == Outside {
				t.Errorf("%s does not enter %s, in which %s is", c.include, d, p)
			}
		}
		for _, p := range c.no {
			if f.Name(p) != nil {
				t.Errorf("%s takes %s", c.include, p)
			}
		}
		for _, p := range c.enters {
			if f.Enter(p) == Outside {
				t.Errorf("%s does not enter %s", c.include, p)
			}
		}
		for _, p := range c.leaves {
			if f.Enter(p) != Outside {
				t.Errorf("%s enters %s", c.include, p)
			}
		}
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	if strings.Contains(s, "{") {
		return []string{s}
	}
	return strings.Split(s, ",")
}

func TestWrongPatternsAreTold(t *testing.T) {
	for pattern, says := range map[string]string{
		"":         `pattern "": not a glob`,
		"a/*.log":  "give a path that begins with /",
		"/a/[.log": `pattern "/a/[.log": not a glob`,
		"/a/":      "names a directory",
	} {
		if _, err := NewFiles([]string{pattern}, nil, "", false); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want one that says %q", pattern, err, says)
		}
	}
	if _, err := NewFiles(nil, nil, "", false); err == nil {
		t.Error("no patterns at all are taken")
	}
	if _, err := NewPods("", []string{"["}, nil); err == nil {
		t.Error("a wrong pattern for pods is taken")
	}
}

func TestWhatARotatedNameTells(t *testing.T) {
	for name, want := range map[string]struct {
		stream string
		older  bool
	}{
		"/l/app.log":                        {"/l/app.log", false},
		"/l/app.log.1":                      {"/l/app.log", true},
		"/l/app.log.2.gz":                   {"/l/app.log", true},
		"/l/app.log.gz":                     {"/l/app.log", false},
		"/l/syslog.12":                      {"/l/syslog", true},
		"/l/app.log-20261121":               {"/l/app.log", true},
		"/l/app.log-20261121.gz":            {"/l/app.log", true},
		"/l/app.log-2026112105":             {"/l/app.log", true},
		"/l/app.log.2026-11-21":             {"/l/app.log", true},
		"/l/app.log.2026-11-21_05-06-01":    {"/l/app.log", true},
		"/l/app.log.2026-11-21T05:06:01Z":   {"/l/app.log", true},
		"/l/app.log.20261121-050601":        {"/l/app.log", true},
		"/l/app.log-1795237561":             {"/l/app.log", true},
		"/l/app-20261121.log":               {"/l/app-20261121.log", false},
		"/l/messages-20261121":              {"/l/messages-20261121", false},
		"/l/libpython3.11":                  {"/l/libpython3.11", false},
		"/l/app.log.20261321":               {"/l/app.log.20261321", false},
		"/l/app.log.0":                      {"/l/app.log.0", false},
		"/l/app.log.1234":                   {"/l/app.log.1234", false},
		"/l/.1":                             {"/l/.1", false},
		"/l.log.1/app.log":                  {"/l.log.1/app.log", false},
		"/l/v1.2.3":                         {"/l/v1.2.3", false},
		"/l/worker-2026-11-21.1.log.3":      {"/l/worker-2026-11-21.1.log", true},
		"/l/app.log-20261121-1795237561.gz": {"/l/app.log-20261121-1795237561", false},
	} {
		stream, rotation := cutRotation(name)
		if stream != want.stream || rotation > 0 != want.older {
			t.Errorf("%s is of %s, rotation %d", name, stream, rotation)
		}
	}
	order := []string{
		"a.log", "a.log.1", "a.log.999", "a.log-20271231", "a.log.2026-11-21_06", "a.log.20261121-050602", "a.log.20261121-050601",
		"a.log-20261121", "a.log-1795200000", "a.log-20260101",
	}
	last := -1
	for _, name := range order {
		_, rotation := cutRotation(name)
		if rotation <= last && name != "a.log-1795200000" {
			t.Errorf("%s is not older than the one before it", name)
		}
		last = rotation
	}
}

func TestPods(t *testing.T) {
	const dir = "/var/log/pods/ray_raycluster-head-x7_0b1c9d4e-1111-2222-3333-444455556666"
	all, err := NewPods("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/ray-head/0.log", "/ray-head/3.log.20261121-050601", "/ray-head/3.log.20261121-050601.gz"} {
		n := all.Name(dir + p)
		if n == nil || all.Path(n) != dir+p {
			t.Fatalf("%s is %v", p, n)
		}
		f := all.File("", n.Rel)
		if f.Labels.Get("namespace") != "ray" || f.Metadata.Get("pod") != "raycluster-head-x7" || f.Metadata.Get("container") != "ray-head" ||
			f.Metadata.Get("pod_uid") != "0b1c9d4e-1111-2222-3333-444455556666" || f.Component != "container" {
			t.Errorf("%s means %+v", p, f)
		}
		again := all.File("", f.Stream)
		if again.Stream != f.Stream || !again.Metadata.Equal(f.Metadata) {
			t.Errorf("the stream %s means %+v", f.Stream, again)
		}
	}
	for _, p := range []string{"/ray-head/0.log.tmp", "/ray-head/0.log.20261121-050601.tmp", "/ray-head/x.log", "/0.log", "/a/b/0.log"} {
		if all.Name(dir+p) != nil {
			t.Errorf("%s is taken", p)
		}
	}
	if all.Enter("/var/log/pods/not-a-pod") != Outside || all.Enter(dir) != Through || all.Enter(dir+"/ray-head") != Inside || all.Enter(dir+"/a/b") != Outside {
		t.Error("enters what is no pod, or not what is one")
	}
	for _, c := range []struct {
		include, exclude string
		head, sidecar    bool
	}{
		{"ray_*", "", true, true},
		{"default_*", "", false, false},
		{"ray_*/ray-head", "", true, false},
		{"ray/raycluster-*/*", "", true, true},
		{"ray/other/*", "", false, false},
		{"", "*/*/side*", true, false},
		{"", "ray_*", false, false},
	} {
		p, err := NewPods("", split(c.include), split(c.exclude))
		if err != nil {
			t.Fatal(err)
		}
		head, sidecar := p.Name(dir+"/ray-head/0.log") != nil, p.Name(dir+"/sidecar/0.log") != nil
		if head != c.head || sidecar != c.sidecar {
			t.Errorf("include %q, exclude %q: head %v, sidecar %v", c.include, c.exclude, head, sidecar)
		}
		if (p.Enter(dir) != Outside) != (c.head || c.sidecar) || (p.Enter(dir+"/sidecar") != Outside) != c.sidecar {
			t.Errorf("include %q, exclude %q: enters otherwise than it takes", c.include, c.exclude)
		}
	}
}

func TestSessionsInDirectoriesBelowTheRoot(t *testing.T) {
	r := Ray{Root: "/pods", Dirs: "*/volumes/empty/ray*"}
	p := "/pods/uid-1/volumes/empty/ray-logs/" + session + "/logs/raylet.out"
	n := r.Name(p)
	if n == nil || n.Session != "uid-1/volumes/empty/ray-logs/"+session || n.Rel != "raylet.out" || r.Path(n) != p {
		t.Fatalf("%s is %+v", p, n)
	}
	for d := filepath.Dir(p); d != "/pods"; d = filepath.Dir(d) {
		if r.Enter(d) == Outside {
			t.Errorf("does not enter %s", d)
		}
	}
	for _, d := range []string{"/pods/uid-1/etc", "/pods/uid-1/volumes/empty/other", "/pods/uid-1/volumes/empty/other/" + session, "/pods/" + session} {
		if r.Enter(d) == Inside {
			t.Errorf("follows files in %s", d)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"/a/b.log", "/a/new\nline", "/a/\xff\xfe", `/a/back\slash`, `/a/\x41`, "/a/\x00", "/é/\u2028", "/a/\\", `/a/\x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := escape(s)
		if !utf8.ValidString(e) || strings.ContainsFunc(e, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q becomes %q", s, e)
		}
		if back := unescape(e); back != s {
			t.Errorf("%q becomes %q and then %q", s, e, back)
		}
		if stream, n := cutRotation(s); n < 0 || !strings.HasPrefix(s, stream) {
			t.Errorf("%q is rotation %d of %q", s, n, stream)
		}
		_ = unescape(s)
	})
}
