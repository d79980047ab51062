package kube

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// pod is an item of a list with a container that mounts a hostPath volume.
func pod(name, uid, created, env, mount string) string {
	return `{"metadata":{"name":"` + name + `","namespace":"team","uid":"` + uid + `","creationTimestamp":"` + created + `",
 "labels":{"ray.io/cluster":"rc","ray.io/node-type":"worker","ray.io/group":"g"},"annotations":{"remora.dev/tenant":"blue"}},
 "spec":{"nodeName":"n1","volumes":[{"name":"other","emptyDir":{}},{"name":"ray","hostPath":{"path":"/var/ray/"}}],
  "containers":[{"name":"ray-worker","env":[` + env + `],"volumeMounts":[{"name":"other"},{"name":"ray","mountPath":"/tmp/ray"` + mount + `}]}]},
 "status":{"podIP":"10.0.0.7","hostIP":"172.30.0.11"}}`
}

const (
	nameEnv = `{"name":"POD_NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
 {"name":"NS","valueFrom":{"fieldRef":{"fieldPath":"metadata.namespace"}}},{"name":"BOTH","value":"$(NS)_$(POD_NAME)"},
 {"name":"GROUP","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['ray.io/group']"}}},
 {"name":"SECRET","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}`
	ten    = "2026-11-21T10:00:00Z"
	eleven = "2026-11-21T11:00:00Z"
)

func listOf(t *testing.T, items string) *Pods {
	t.Helper()
	api := apiServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"items":[`+items+`]}`) })
	pods, err := api.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := New("", "", api, slog.New(slog.DiscardHandler))
	p.set(pods, time.Now())
	return p
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestWhatAPodMounts(t *testing.T) {
	for mount, want := range map[string]Mount{
		``:                                          {"/var/ray", false},
		`,"subPath":"sub[1]"`:                       {`/var/ray/sub\[1]`, false},
		`,"subPathExpr":"$(POD_NAME)"`:              {"/var/ray/w1", true},
		`,"subPathExpr":"x/$(NS)-$(POD_NAME)"`:      {"/var/ray/x/team-w1", true},
		`,"subPathExpr":"$(BOTH)"`:                  {"/var/ray/team_w1", true},
		`,"subPathExpr":"$(GROUP)"`:                 {"/var/ray/g", false},
		`,"subPathExpr":"$(SECRET)-$(NOPE)"`:        {"/var/ray/*-*", false},
		`,"subPathExpr":"$$(POD_NAME)$x$(POD_NAME"`: {"/var/ray/$(POD_NAME)$x$(POD_NAME", false},
	} {
		p := listOf(t, pod("w1", "u1", ten, nameEnv, mount))
		if d := cmp.Diff([]Mount{want}, p.Of("u1").Mounts); d != "" {
			t.Errorf("%s (-want +got):\n%s", mount, d)
		}
	}
}

func TestWhoseADirectoryIs(t *testing.T) {
	own := `,"subPathExpr":"$(POD_NAME)"`
	for _, c := range []struct {
		name, items, dir, made string
		want                   Pod // UID, name and what is common
		shared                 bool
	}{
		{
			"one for each pod", pod("w1", "u1", ten, nameEnv, own) + "," + pod("w2", "u2", ten, nameEnv, own), "/var/ray/w2", eleven,
			Pod{UID: "u2", Name: "w2", Namespace: "team", Cluster: "rc", Tenant: "blue", Known: true},
			false,
		},
		{
			"a pod of the same name after another", pod("w1", "u1", ten, nameEnv, own) + "," + pod("w1", "u2", eleven, nameEnv, own), "/var/ray/w1", "2026-11-21T10:30:00Z",
			Pod{UID: "u1", Name: "w1", Namespace: "team", Cluster: "rc", Tenant: "blue", Known: true},
			false,
		},
		{
			"younger than what it is asked for", pod("w1", "u1", eleven, nameEnv, own), "/var/ray/w1", ten,
			Pod{},
			true,
		},
		{
			"shared", pod("w1", "u1", ten, nameEnv, "") + "," + pod("w2", "u2", ten, nameEnv, ""), "/var/ray", eleven,
			Pod{Namespace: "team", Cluster: "rc", Tenant: "blue", Known: true},
			true,
		},
		{
			"shared, and read by an agent", pod("w1", "u1", ten, nameEnv, "") + "," + strings.ReplaceAll(pod("agent", "u2", ten, nameEnv, `,"readOnly":true`), `"team"`, `"remora"`), "/var/ray", eleven,
			Pod{Namespace: "team", Cluster: "rc", Tenant: "blue", Known: true},
			true,
		},
		{
			// Another pod of the cluster may come to write there at any time.
			"shared, by one as yet", pod("w1", "u1", ten, nameEnv, ""), "/var/ray", eleven,
			Pod{Namespace: "team", Cluster: "rc", Tenant: "blue", Known: true},
			true,
		},
		{"nobody's", pod("w1", "u1", ten, nameEnv, own), "/var/ray/w3", eleven, Pod{}, true},
	} {
		p := listOf(t, c.items)
		got, shared := p.OfDir(c.dir, at(t, c.made))
		got = Pod{UID: got.UID, Name: got.Name, Namespace: got.Namespace, Cluster: got.Cluster, Tenant: got.Tenant, Known: got.Known}
		if d := cmp.Diff(c.want, got); d != "" || shared != c.shared {
			t.Errorf("%s: shared %t (-want +got):\n%s", c.name, shared, d)
		}
	}
}

// What the API server does not know when it is asked is known to be gone.
func TestWhatIsAskedForAndNotThereIsKnownToBeGone(t *testing.T) {
	p := listOf(t, "")
	if p.Of("u1").Known {
		t.Error("nobody has asked since")
	}
	made := time.Now()
	if x, _ := p.OfDir("/x", made); x.Known || p.Of("u1").Known {
		t.Error("nobody has asked since")
	}
	p.set(nil, time.Now())
	if x, _ := p.OfDir("/x", made); !p.Of("u1").Known || !x.Known {
		t.Error("it has answered since")
	}
	if x, _ := p.OfDir("/x", made.Add(time.Hour)); x.Known {
		t.Error("nobody has asked about the one that is there since")
	}
}

func TestADirectoryThatIsNamedLikeAPod(t *testing.T) {
	logs := t.TempDir()
	for _, name := range []string{"a_w1_u1", "a_w2_u2", "b_w2_u3", "a_w3_u4", "a_w3_u5"} {
		if err := os.Mkdir(filepath.Join(logs, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p := New(logs, "", nil, slog.New(slog.DiscardHandler))
	for dir, want := range map[string]Pod{
		"/r/w1": {UID: "u1", Namespace: "a", Name: "w1"}, "/r/a_w2": {UID: "u2", Namespace: "a", Name: "w2"},
		"/r/b/w2": {UID: "u3", Namespace: "b", Name: "w2"}, "/r/u2": {UID: "u2", Namespace: "a", Name: "w2"},
		"/r/a-w3": {Namespace: "a", Name: "w3"}, "/r/w2": {}, "/r/x": {},
	} {
		got, shared := p.OfDir(dir, time.Now())
		if d := cmp.Diff(want, got); d != "" || shared != (want.Name == "") {
			t.Errorf("%s: shared %t (-want +got):\n%s", dir, shared, d)
		}
	}
}

// Whatever a pod's specification says, a pattern comes out that can be matched, and text
// without variables matches itself alone.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"$(A)", "$$(A)", "$(", "a/[b]*?\\c", "$(A)$(B)-$", "\xff$(C)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var x podItem
		x.Metadata.Name = text
		c := container{}
		for _, e := range [][2]string{{"A", "[*"}, {"B", "$(A)/$(B)"}} {
			c.Env = append(c.Env, struct {
				Name, Value string
				ValueFrom   *struct {
					FieldRef *struct{ FieldPath string }
				}
			}{Name: e[0], Value: e[1]})
		}
		pattern, _ := x.expand(&c, text, len(c.Env))
		if _, err := path.Match(pattern, text); err != nil {
			t.Errorf("%q makes the pattern %q: %v", text, pattern, err)
		}
		if ok, err := path.Match(literal(text), text); utf8.ValidString(text) && (!ok || err != nil) {
			t.Errorf("%q does not match itself: %v", text, err)
		}
	})
}
