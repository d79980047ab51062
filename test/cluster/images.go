package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/remora-ray/remora/test/cluster/oci"
)

// rays are the Ray images: of each version one, under all names that manifests use.
var rays = map[string]rayImage{
	"ray": {
		version:  "2.60.0",
		names:    []string{"docker.io/rayproject/ray:2.60.0"},
		packages: []string{"ray[default,serve]==2.60.0", "tzdata"},
	},
	"ray-2.9": {
		version: "2.9.0",
		names:   []string{"docker.io/rayproject/ray:2.9.0", "docker.io/rayproject/ray:2.9.0-py39-gpu", "docker.io/rayproject/ray:2.3.0"},
		// What ray[default,serve] asks for, as it was in its time, but for gpustat, of
		// which there is no wheel.
		packages: []string{
			"ray==2.9.0", "tzdata", "numpy<2", "setuptools<70", "pydantic<2", "aiohttp<3.10", "aiohttp_cors", "colorful",
			"py-spy", "requests", "opencensus", "prometheus_client", "smart_open", "virtualenv", "grpcio", "click<8.2",
			"uvicorn", "starlette", "fastapi<0.110", "watchfiles",
		},
	},
}

type rayImage struct {
	version  string
	names    []string
	packages []string
}

// images are those of the sets that were asked for.
func (w *world) build() ([]oci.Image, error) {
	if err := check(); err != nil {
		return nil, err
	}
	if _, err := w.kube(); err != nil {
		return nil, err
	}
	sets := map[string]func() ([]oci.Image, error){
		"busybox":        one(w.busybox),
		"metrics-server": one(w.metricsServer),
		"redis":          one(w.redis),
		"kuberay":        one(w.kuberay),
		"remora":         w.ours,
	}
	for name, r := range rays {
		sets[name] = one(func() (oci.Image, error) { return w.ray(r) })
	}
	images, err := one(w.pause)()
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(w.images, ",") {
		set, ok := sets[name]
		if !ok {
			return nil, fmt.Errorf("there is no set of images %q", name)
		}
		made, err := set()
		if err != nil {
			return nil, fmt.Errorf("images %s: %w", name, err)
		}
		images = append(images, made...)
	}
	return images, nil
}

func one(make func() (oci.Image, error)) func() ([]oci.Image, error) {
	return func() ([]oci.Image, error) {
		image, err := make()
		return []oci.Image{image}, err
	}
}

func (w *world) blobs() oci.Store { return oci.Store{Dir: filepath.Join(w.dir, "blobs")} }

// layer makes the layer of a tree, once for each tree.
func (w *world) layer(tree string) (oci.Layer, error) {
	var l oci.Layer
	known := tree + ".layer"
	if text, err := os.ReadFile(known); err == nil && json.Unmarshal(text, &l) == nil && w.blobs().Has(l) {
		return l, nil
	}
	l, err := w.blobs().Tree(tree)
	if err != nil {
		return l, err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return l, err
	}
	return l, os.WriteFile(known, text, 0o644)
}

var debianLeftOut = []string{"man", "doc", "locale", "info", "i18n"}

// base is Debian with Python, and with wget and bash, which probes of Ray pods call.
func (w *world) base() (string, error) {
	args := []string{"--quiet", "--mode=root", "--variant=essential"}
	for _, dir := range debianLeftOut {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+dir+"/*")
	}
	args = append(args, "--include=python3,wget,curl,procps,ca-certificates,libstdc++6", "bookworm")
	return w.kept(recipe{"debian", args, func(to string) error { return quiet(exec.Command("mmdebstrap", append(args, to)...)) }})
}

// pythonDir is where Debian's Python looks for packages.
const pythonDir = "usr/local/lib/python3.11/dist-packages"

// compile makes byte code of what is in an overlay of two trees: the user of the image
// may not write it, and each worker would compile Ray anew.
const compile = `mkdir -p "$3" "$4" && mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4" &&
{ chroot "$4" python3 -m compileall -q -j 2 --invalidation-mode unchecked-hash /` + pythonDir + ` || true; }`

// wheels is Ray from PyPI, with byte code.
func (w *world) wheels(base string, r rayImage) (string, error) {
	key := append([]string{base, compile}, r.packages...)
	return w.kept(recipe{"ray-" + r.version, key, func(to string) error {
		dist := filepath.Join(to, pythonDir)
		args := append([]string{
			"pip", "install", "-q", "--target", dist, "--python-version", "3.11",
			"--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:", "--link-mode", "copy",
		}, r.packages...)
		if err := quiet(exec.Command("uv", args...)); err != nil {
			return err
		}
		for _, unused := range []string{"ray/jars", "ray/rllib"} {
			if err := os.RemoveAll(filepath.Join(dist, unused)); err != nil {
				return err
			}
		}
		if err := scripts(filepath.Join(dist, "bin"), filepath.Join(to, "usr/local/bin")); err != nil {
			return err
		}
		work, merged := to+".work", to+".merged"
		defer os.RemoveAll(work)
		defer os.RemoveAll(merged)
		return quiet(exec.Command("unshare", "--mount", "sh", "-c", compile, "sh", base, to, work, merged))
	}})
}

// scripts moves what pip calls scripts to where a shell finds them, for Debian's Python.
func scripts(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(from, e.Name())
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if first, rest, ok := strings.Cut(string(text[:min(len(text), 1<<20)]), "\n"); ok && strings.HasPrefix(first, "#!") && strings.Contains(first, "python") {
			text = []byte("#!/usr/bin/python3\n" + rest)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o755); err != nil {
			return err
		}
	}
	return os.RemoveAll(from)
}

// rayUser is the user of Ray's own images, and their paths.
func (w *world) rayUser(base string) (oci.Layer, error) {
	users, err := os.ReadFile(filepath.Join(base, "etc", "passwd"))
	if err != nil {
		return oci.Layer{}, err
	}
	return w.blobs().Files(
		oci.File{Name: "etc/passwd", Mode: 0o644, Text: append(users, "ray:x:1000:100::/home/ray:/bin/bash\n"...)},
		oci.File{Name: "home/ray/", Mode: 0o755, UID: 1000, GID: 100},
		oci.File{Name: "home/ray/anaconda3", Link: "/usr/local", Mode: 0o777},
		oci.File{Name: "usr/local/bin/python", Link: "/usr/bin/python3", Mode: 0o777},
		oci.File{Name: "usr/local/bin/python3", Link: "/usr/bin/python3", Mode: 0o777},
	)
}

func (w *world) ray(r rayImage) (oci.Image, error) {
	base, err := w.base()
	if err != nil {
		return oci.Image{}, err
	}
	wheels, err := w.wheels(base, r)
	if err != nil {
		return oci.Image{}, err
	}
	image := oci.Image{Names: r.names, Config: oci.Config{
		User: "ray", WorkingDir: "/home/ray", Cmd: []string{"/bin/bash"},
		Env: []string{
			"PATH=/home/ray/anaconda3/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home/ray",
			"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "RAY_USAGE_STATS_ENABLED=0",
		},
	}}
	for _, tree := range []string{base, wheels} {
		l, err := w.layer(tree)
		if err != nil {
			return image, err
		}
		image.Layers = append(image.Layers, l)
	}
	user, err := w.rayUser(base)
	image.Layers = append(image.Layers, user)
	return image, err
}

// redis is this machine's own, on the same base.
func (w *world) redis() (oci.Image, error) {
	base, err := w.base()
	if err != nil {
		return oci.Image{}, err
	}
	out, err := exec.Command("ldd", "/usr/bin/redis-server").Output()
	if err != nil {
		return oci.Image{}, fmt.Errorf("libraries of redis-server: %w", err)
	}
	const libraries = "usr/lib/x86_64-linux-gnu/"
	var files []oci.File
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "=>" {
			continue
		}
		to := libraries + filepath.Base(fields[2])
		if _, err := os.Stat(filepath.Join(base, to)); err != nil {
			files = append(files, oci.File{Name: to, From: fields[2], Mode: 0o755})
		}
	}
	for _, program := range []string{"redis-server", "redis-cli"} {
		from, err := filepath.EvalSymlinks("/usr/bin/" + program)
		if err != nil {
			return oci.Image{}, err
		}
		files = append(files, oci.File{Name: "usr/bin/" + program, From: from, Mode: 0o755})
	}
	below, err := w.layer(base)
	if err != nil {
		return oci.Image{}, err
	}
	l, err := w.blobs().Files(files...)
	return oci.Image{
		Names: []string{"localhost/redis:7"}, Config: oci.Config{User: "1000:1000", Cmd: []string{"redis-server"}},
		Layers: []oci.Layer{below, l},
	}, err
}

// static is an image of one program and nothing else.
func (w *world) static(name, program, to, user string) (oci.Image, error) {
	files := append(oci.Parents(to), oci.File{Name: to, From: program, Mode: 0o755})
	l, err := w.blobs().Files(files...)
	return oci.Image{Names: []string{name}, Config: oci.Config{User: user, Entrypoint: []string{"/" + to}}, Layers: []oci.Layer{l}}, err
}

const pauseImage = "localhost/pause:1"

func (w *world) pause() (oci.Image, error) {
	program, err := w.pauseProgram()
	if err != nil {
		return oci.Image{}, err
	}
	return w.static(pauseImage, program, "pause", "65535:65535")
}

func (w *world) metricsServer() (oci.Image, error) {
	program, err := w.module("metrics-server", "sigs.k8s.io/metrics-server@v0.7.2", "./cmd/metrics-server")
	if err != nil {
		return oci.Image{}, err
	}
	return w.static("localhost/metrics-server:0.7.2", program, "metrics-server", "65534:65534")
}

func (w *world) kuberay() (oci.Image, error) {
	program, err := w.module("kuberay-operator", "github.com/ray-project/kuberay/ray-operator@v1.6.0", ".")
	if err != nil {
		return oci.Image{}, err
	}
	return w.static("localhost/kuberay-operator:1.6.0", program, "manager", "65532:65532")
}

func (w *world) busybox() (oci.Image, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return oci.Image{}, err
	}
	out, err := exec.Command(path, "--list").Output()
	if err != nil {
		return oci.Image{}, fmt.Errorf("programs of busybox: %w", err)
	}
	files := []oci.File{
		{Name: "bin/", Mode: 0o755},
		{Name: "bin/busybox", From: path, Mode: 0o755},
		{Name: "etc/", Mode: 0o755},
		{Name: "etc/passwd", Mode: 0o644, Text: []byte("root:x:0:0:root:/root:/bin/sh\n")},
		{Name: "tmp/", Mode: 0o1777},
	}
	for _, program := range slices.Sorted(strings.FieldsSeq(string(out))) {
		if program != "busybox" {
			files = append(files, oci.File{Name: "bin/" + program, Link: "busybox", Mode: 0o777})
		}
	}
	l, err := w.blobs().Files(files...)
	return oci.Image{
		Names:  []string{"docker.io/library/busybox:1.35"},
		Config: oci.Config{Cmd: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}},
		Layers: []oci.Layer{l},
	}, err
}
