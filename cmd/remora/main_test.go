package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"remora": main})
}

// TestScripts runs the program itself: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	recording, err := filepath.Abs("../../internal/demo/recording/session.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("RECORDING", recording)
			env.Setenv("TZ", "UTC")
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
			return os.MkdirAll(filepath.Join(env.WorkDir, "tmp"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":   status,
			"until":    until,
			"freeport": freePort,
			"ready":    ready,
			"truncate": truncate,
			"repeat":   repeat,
			"asnobody": asNobody,
			"gone":     gone,
			"waitfor":  waitFor,
			"session":  session,
			"unpack":   unpack,
			"bucket":   bucket,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
	})
}

// bucket NAME starts a server of S3's API with that bucket.
func bucket(ts *testscript.TestScript, neg bool, args []string) {
	backend := s3mem.New()
	ts.Check(backend.CreateBucket(args[0]))
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	ts.Defer(srv.Close)
	ts.Setenv("AWS_ENDPOINT_URL", srv.URL)
	ts.Setenv("AWS_REGION", "us-east-1")
	ts.Setenv("AWS_ACCESS_KEY_ID", "key")
	ts.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
}

// status N COMMAND… runs a command that must end with that exit status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	want, got := args[0], 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != want {
		ts.Fatalf("exit status %d, want %s", got, want)
	}
}

// until stdout PATTERN COMMAND… runs a command again until its output matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := ts.Exec(args[2], args[3:]...)
		if err == nil && pattern.MatchString(ts.ReadFile(args[0])) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v: in vain (%v)", args, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// freePort NAME… sets each variable to a port of this machine that is free.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Setenv(name, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
		ts.Check(l.Close())
	}
}

// ready PORT waits until the server there says that it is ready.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	url := "http://127.0.0.1:" + args[0] + "/ready"
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		if time.Now().After(deadline) {
			ts.Fatalf("server at %s: %v", url, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// truncate FROM TO BYTES copies the first bytes of a file.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	var n int
	_, err = fmt.Sscan(args[2], &n)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:n], 0o644))
}

// repeat FILE TEXT TIMES writes a file that holds text so many times.
func repeat(ts *testscript.TestScript, neg bool, args []string) {
	var n int
	_, err := fmt.Sscan(args[2], &n)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(args[1], n)), 0o644))
}

// waitfor FILE PATTERN waits until a file that a program writes matches.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	deadline := time.Now().Add(30 * time.Second)
	for {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		if pattern.Match(b) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never matched %s: %s", args[0], args[1], b)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// session DIR TEXT… makes a session that begins now and whose raylet logs the
// texts.
func session(ts *testscript.TestScript, neg bool, args []string) {
	now := time.Now().UTC()
	name := strings.Replace(now.Format("session_2006-01-02_15-04-05.000000"), ".", "_", 1) + "_1"
	dir := filepath.Join(ts.MkAbs(args[0]), name, "logs")
	ts.Check(os.MkdirAll(dir, 0o755))
	var b strings.Builder
	for _, text := range args[1:] {
		fmt.Fprintf(&b, "[%s I 22 22] (raylet) main.cc:1: %s\n", now.Format("2006-01-02 15:04:05,000"), text)
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "raylet.out"), []byte(b.String()), 0o644))
}

// unpack ARCHIVE writes the files of a .tar.zst into the current directory.
func unpack(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	zr, err := zstd.NewReader(f)
	ts.Check(err)
	defer zr.Close()
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		name := ts.MkAbs(h.Name)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
		b, err := io.ReadAll(tr)
		ts.Check(err)
		ts.Check(os.WriteFile(name, b, 0o644))
	}
}

// gone PATTERN fails where a file matches.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) > 0 {
		ts.Fatalf("still there: %s", found)
	}
}

// asNobody ARGS… runs remora as a user with no rights, and asserts that it fails
// with status 1: its stderr is what the next "stderr" sees.
func asNobody(ts *testscript.TestScript, neg bool, args []string) {
	if os.Getuid() != 0 {
		ts.Fatalf("only root can become nobody")
	}
	self, err := os.Executable()
	ts.Check(err)
	// The test binary lies where others may not look.
	dir, err := os.MkdirTemp("/tmp", "remora-test-")
	ts.Check(err)
	defer os.RemoveAll(dir)
	ts.Check(os.Chmod(dir, 0o755))
	program := filepath.Join(dir, "remora")
	// Copied by another process: one that is started meanwhile must not inherit a
	// descriptor that writes to the program.
	ts.Check(exec.Command("cp", self, program).Run())
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME=/nonexistent", "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	ts.Check(os.WriteFile(ts.MkAbs("nobody.out"), out, 0o644))
	ts.Logf("%s", out)
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		ts.Fatalf("exit status %d (%v), want 1", code, err)
	}
}
