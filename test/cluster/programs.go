package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const kubernetes = "v1.34.3"

// needed are programs of this machine, with the Debian package that brings them.
var needed = map[string]string{
	"containerd": "containerd", "ctr": "containerd", "runc": "runc", "iptables": "iptables",
	"conntrack": "conntrack", "mmdebstrap": "mmdebstrap", "busybox": "busybox-static",
	"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux", "redis-server": "redis-server",
	"go": "golang", "uv": "uv (pip install uv)",
}

// check says what is missing before anything is begun.
func check() error {
	var missing []string
	for program, origin := range needed {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (of %s)", program, origin))
		}
	}
	if _, err := os.Stat(cniDir + "/bridge"); err != nil {
		missing = append(missing, cniDir+"/bridge (of containernetworking-plugins)")
	}
	if len(missing) > 0 {
		return fmt.Errorf("not on this machine: %s", strings.Join(missing, ", "))
	}
	return nil
}

// recipe is something that takes long to build and is built again only when what it is
// made of changes: its key says what that is.
type recipe struct {
	name  string
	key   []string
	build func(to string) error
}

// kept returns where the product of a recipe is; it builds it where it is not there.
func (w *world) kept(r recipe) (string, error) {
	sum := sha256.Sum256([]byte(strings.Join(r.key, "\x00")))
	to := filepath.Join(w.dir, "kept", r.name+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Lstat(to); err == nil {
		return to, nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	begun := time.Now()
	unfinished := to + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := r.build(unfinished); err != nil {
		return "", fmt.Errorf("build %s: %w", r.name, err)
	}
	if err := os.Rename(unfinished, to); err != nil {
		return "", err
	}
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(to), r.name+"-????????????"))
	for _, path := range old {
		if path != to {
			_ = os.RemoveAll(path) // room, and no more: what stays is not looked at
		}
	}
	w.say("built %s in %.0f s", r.name, time.Since(begun).Seconds())
	return to, nil
}

// kube is the binary of all of Kubernetes.
func (w *world) kube() (string, error) {
	source := filepath.Join(w.repo, "test", "cluster")
	key, err := contents(filepath.Join(source, "go.mod"), filepath.Join(source, "kube", "main.go"), filepath.Join(source, "kube", "dns.go"))
	if err != nil {
		return "", err
	}
	minor := strings.Split(kubernetes, ".")
	const v = "k8s.io/component-base/version."
	linked := fmt.Sprintf("-s -w -X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s", v, kubernetes, v, strings.TrimPrefix(minor[0], "v"), v, minor[1])
	return w.kept(recipe{"kube", append(key, linked), func(to string) error {
		return goBuild(source, to, linked, "./kube")
	}})
}

func (w *world) pauseProgram() (string, error) {
	source := filepath.Join(w.repo, "test", "cluster")
	key, err := contents(filepath.Join(source, "pause", "main.go"))
	if err != nil {
		return "", err
	}
	return w.kept(recipe{"pause", key, func(to string) error { return goBuild(source, to, "-s -w", "./pause") }})
}

// module builds a program of somebody else's module in a copy of it, as go install
// refuses modules with replace lines.
func (w *world) module(name, module, pkg string) (string, error) {
	return w.kept(recipe{name, []string{module, pkg}, func(to string) error {
		source, err := fetch(module)
		if err != nil {
			return err
		}
		copied := to + ".src"
		defer os.RemoveAll(copied)
		if err := os.CopyFS(copied, os.DirFS(source)); err != nil {
			return err
		}
		return goBuild(copied, to, "-s -w", pkg)
	}})
}

// fetch has a module in Go's cache and returns where.
func fetch(module string) (string, error) {
	c := exec.Command("go", "mod", "download", "-json", module)
	c.Dir = os.TempDir()
	out, err := c.Output()
	var told struct{ Dir, Error string }
	if parsed := json.Unmarshal(out, &told); parsed != nil || told.Dir == "" {
		return "", fmt.Errorf("download %s: %w %s", module, err, told.Error)
	}
	return told.Dir, nil
}

func goBuild(dir, to, ldflags, pkg string) error {
	c := exec.Command("go", "build", "-trimpath", "-ldflags", ldflags, "-o", to, pkg)
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return quiet(c)
}

// quiet runs a command and shows what it said only when it fails.
func quiet(c *exec.Cmd) error {
	out, err := c.CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out))
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, text[max(0, len(text)-4000):])
	}
	return nil
}

// contents are the digests of files.
func contents(names ...string) ([]string, error) {
	var all []string
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, hex.EncodeToString(sum.Sum(nil)))
	}
	return all, nil
}
