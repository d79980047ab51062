package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const (
	said    = "[2026-11-21 05:06:01,604 I 22 22] (raylet) main.cc:1: said"
	chatter = "[2026-11-21 05:06:02,604 D 22 22] (raylet) main.cc:2: chatter"
	again   = "[2026-11-21 05:06:03,604 D 22 22] (raylet) main.cc:2: chatter again"
)

func TestStagesOfAllOutputsAndOfOne(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	configure := func(all, one string) {
		w.configure(fmt.Sprintf("pipeline: [%s]", all), "a", a.URL, "b", b.URL)
		text, err := os.ReadFile(w.file)
		if err != nil {
			t.Fatal(err)
		}
		w.write(string(text) + fmt.Sprintf("  pipeline: [%s]\n", one)) // of b
	}
	configure("labels: {static: {all: x}}", "drop: {level: [debug], reason: chatty}")
	w.append("raylet.out", said+"\n"+chatter+"\n")
	w.start()
	w.arrived(a, said, chatter)
	w.arrived(b, said)
	w.until("the drop is counted", func() bool {
		return w.metric("remora_agent_dropped_lines_total", `{output="b",reason="chatty",source="ray"}`) == "1"
	})
	if got := b.stored()[0].labels.Get("all"); got != "x" {
		t.Errorf("the label of all outputs is %q", got)
	}

	configure("labels: {static: {all: x}}", "\n")
	w.until("it is read", w.reloads("success"))
	w.until("the engine of b is replaced", func() bool {
		return w.metric("remora_agent_dropped_lines_total", `{output="b",reason="chatty",source="ray"}`) == ""
	})
	w.append("raylet.out", again+"\n")
	w.arrived(b, said, again)
	w.arrived(a, said, chatter, again)
	if got := w.metric("remora_agent_lines_total", `{output="a",source="ray"}`); got != "3" {
		t.Errorf("the other engine has read %q lines: it was disturbed", got)
	}
}

func TestContainersAndFiles(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL)
	w.mkdir("pods/ray_head_u1/ray-head")
	w.mkdir("app")
	write := func(rel, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.dir, rel), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("pods/ray_head_u1/ray-head/0.log", "2026-11-21T05:06:01.123456789Z stdout P from a \n2026-11-21T05:06:01.123456790Z stdout F container\n")
	write("app/x.log", "from an app\n")
	w.write(fmt.Sprintf("state: %[1]s/state\nlisten: 127.0.0.1:0\nscan_interval: 100ms\nsources:\n- containers: {root: %[1]s/pods}\n- files: {include: [%[1]s/app/*.log]}\n  labels: {job: app}\noutputs: [{remora: {url: %[2]q}}]\n", w.dir, a.URL))
	w.start()
	w.until("both arrived", func() bool { return len(a.lines()) == 2 })
	for _, r := range a.stored() {
		switch {
		case r.line == "from a container" && r.labels.Get("namespace") == "ray":
		case r.line == "from an app" && r.labels.Get("job") == "app":
		default:
			t.Errorf("%v", r)
		}
	}
}

func TestVolumesOfPods(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.mkdir("logs/ray_cluster-head-x_u1/ray-head")
	w.o.podLogs = filepath.Join(w.dir, "logs")
	for _, dir := range []string{"u1/volumes/kubernetes.io~empty-dir/ray-logs", "u1/volumes/kubernetes.io~empty-dir/other"} {
		dir = "pods/" + dir + "/session_2026-11-21_05-06-01_604983_1/logs"
		w.mkdir(dir)
		if err := os.WriteFile(filepath.Join(w.dir, dir, "gcs_server.out"), []byte(filepath.Base(filepath.Dir(filepath.Dir(dir)))+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.write(fmt.Sprintf("state: %[1]s/state\nlisten: 127.0.0.1:0\ncluster: c\nsources: [{ray: {root: %[1]s/pods, volumes: ray-*}}]\noutputs: [{remora: {url: %[2]q}}]\n", w.dir, a.URL))
	w.start()
	w.arrived(a, "ray-logs")
	if got := a.stored()[0].labels; got.Get("namespace") != "ray" || got.Get("RayCluster") != "c" || got.Get("node_type") != "head" {
		t.Errorf("%v", got)
	}
}

func TestAnOutputTakesTheSourcesItNames(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.mkdir("app")
	if err := os.WriteFile(filepath.Join(w.dir, "app/x.log"), []byte("of the app\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	configure := func(sources string) {
		w.write(fmt.Sprintf("state: %[1]s/state\nlisten: 127.0.0.1:0\nscan_interval: 100ms\nsources:\n- ray: {root: %[1]s/ray}\n- name: app\n  files: {include: [%[1]s/app/*.log]}\n"+
			"outputs:\n- name: a\n  remora: {url: %[2]q}\n  sources: [app]\n- name: b\n  remora: {url: %[3]q}\n%[4]s", w.dir, a.URL, b.URL, sources))
	}
	configure("  sources: [ray]\n")
	w.append("raylet.out", "of Ray\n")
	w.start()
	w.arrived(a, "of the app")
	w.arrived(b, "of Ray")
	configure("")
	w.arrived(b, "of Ray", "of the app")
	w.arrived(a, "of the app")
	if got := w.metric("remora_agent_lines_total", `{output="b",source="ray"}`); got != "1" {
		t.Errorf("the engine that stays the same has read %q lines: it was disturbed", got)
	}
}
