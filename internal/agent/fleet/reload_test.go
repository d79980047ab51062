package fleet

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/agent/config"
)

func TestAFileThatChangesIsReadAgain(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.configure("labels: {stage: before}", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")

	w.configure("# another comment\nlabels: {stage: before}", "a", a.URL, "b", b.URL)
	w.until("it is read", w.reloads("success"))
	w.arrived(b, "one")
	if got := w.metric("remora_agent_lines_total", `{output="a",source="ray"}`); got != "1" {
		t.Errorf("the engine that stays the same has read %q lines: it was disturbed", got)
	}

	w.configure("labels: {stage: after}", "b", b.URL)
	w.until("it is read", func() bool { return strings.Contains(w.said(), "an engine has ended") })
	w.until("the other is replaced", func() bool {
		return w.metric("remora_agent_lines_total", `{output="b",source="ray"}`) == "0"
	})
	w.append("raylet.out", "two\n")
	w.arrived(b, "one", "two")
	w.arrived(a, "one")
	rows := b.stored()
	if rows[0].labels.Get("stage") != "before" || rows[1].labels.Get("stage") != "after" {
		t.Errorf("%v", rows)
	}
	if got := w.metric("remora_agent_config_last_reload_successful", ""); got != "1" {
		t.Errorf("last reload successful is %q", got)
	}
}

func TestABadFileChangesNothing(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	t.Setenv("PASSWORD", "hunter2")

	w.configure("clustr: x\nreaders: ${PASSWORD}", "b", a.URL)
	w.until("it is refused", w.reloads("failure"))
	code, text := w.post("/-/reload")
	if code != 400 || !strings.Contains(text, "agent.yaml:8:1: clustr: unknown key, did you mean cluster?") {
		t.Errorf("%d %s", code, text)
	}
	if got := w.metric("remora_agent_config_last_reload_successful", ""); got != "0" {
		t.Errorf("last reload successful is %q", got)
	}
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	_, status := w.get("/status")
	var s Status
	if err := json.Unmarshal([]byte(status), &s); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Config.Error, "clustr") || len(s.Engines) != 1 || s.Engines[0].Output != "a" {
		t.Errorf("%+v", s)
	}
	if all := status + text + w.said(); strings.Contains(all, "hunter2") {
		t.Errorf("a secret is told:\n%s", all)
	}

	w.configure("", "a", a.URL)
	if code, text := w.post("/-/reload"); code != 200 || text != "reloaded\n" {
		t.Errorf("%d %s", code, text)
	}
	if got := w.metric("remora_agent_lines_total", `{output="a",source="ray"}`); got != "2" {
		t.Errorf("%q lines: it was disturbed", got)
	}
}

// What is wrong may be a file that the configuration in force does not know.
func TestAFileThatOnlyARefusedConfigurationNamesMendsIt(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	w.configure(fmt.Sprintf("labels: {team: \"${file:%s/team}\"}", w.dir), "a", a.URL)
	w.until("it is refused", w.reloads("failure"))
	if err := os.WriteFile(w.dir+"/team", []byte("blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.until("it is read", w.reloads("success"))
	w.until("the engine is replaced", func() bool { return w.metric("remora_agent_lines_total", `{output="a",source="ray"}`) == "0" })
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	if got := a.stored()[1].labels.Get("team"); got != "blue" {
		t.Errorf("the label is %q", got)
	}
}

func TestHangupReads(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	hangup := make(chan os.Signal)
	w.o.Hangup, w.o.Poll = hangup, time.Hour
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.configure("", "b", b.URL)
	hangup <- syscall.SIGHUP
	w.arrived(b, "one")
}

// Kubernetes changes a ConfigMap by a link to another directory.
func TestAConfigMapIsReadAgain(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("labels: {v: one}", "a", a.URL)
	w.mkdir("map/..1")
	w.mkdir("map/..2")
	move := func(to string) {
		t.Helper()
		if err := os.Rename(w.dir+"/agent.yaml", w.dir+"/map/"+to+"/agent.yaml"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, w.dir+"/map/..new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(w.dir+"/map/..new", w.dir+"/map/..data"); err != nil {
			t.Fatal(err)
		}
	}
	move("..1")
	if err := os.Symlink("..data/agent.yaml", w.dir+"/map/agent.yaml"); err != nil {
		t.Fatal(err)
	}
	w.o.Load = func() (*config.Config, error) { return config.Load(w.dir+"/map/agent.yaml", os.LookupEnv) }
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	w.configure("labels: {v: two}", "a", a.URL)
	move("..2")
	w.until("it is read", w.reloads("success"))
	w.until("the engine is replaced", func() bool { return w.metric("remora_agent_lines_total", `{output="a",source="ray"}`) == "0" })
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	if got := a.stored()[1].labels.Get("v"); got != "two" {
		t.Errorf("the label is %q", got)
	}
}

func TestAnEngineThatCannotStartAfterAReloadIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.configure("", "a", a.URL)
	w.append("raylet.out", "one\n")
	w.start()
	w.arrived(a, "one")
	blocked := filepath.Join(w.dir, "state/ray.b")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.configure("", "a", a.URL, "b", b.URL)
	w.until("it is told", func() bool { return strings.Contains(w.said(), "an engine cannot start, trying again") })
	w.append("raylet.out", "two\n")
	w.arrived(a, "one", "two")
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	w.arrived(b, "one", "two")
}

func TestTheAddressMayChange(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("", "a", a.URL)
	w.start()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	listen := func(addr string) string {
		return strings.Replace(string(text), "listen: 127.0.0.1:0", "listen: "+addr, 1)
	}
	w.write(listen(taken.Addr().String()))
	w.until("it is refused", w.reloads("failure"))
	w.write(listen("localhost:0"))
	w.url = "http://" + <-w.addrs
	if code, _ := w.get("/healthz"); code != 200 {
		t.Errorf("healthz answers %d", code)
	}
}
