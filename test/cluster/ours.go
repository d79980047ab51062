package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/remora-ray/remora/test/cluster/oci"
)

// ours are the images of deploy/images, with the programs that were built.
func (w *world) ours() ([]oci.Image, error) {
	files, err := filepath.Glob(filepath.Join(w.repo, "deploy", "images", "*.Dockerfile"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no Dockerfile in %s/deploy/images: name the project's directory with -repo", w.repo)
	}
	var images []oci.Image
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		d, err := readDockerfile(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		image, err := w.of(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		images = append(images, image)
	}
	return images, nil
}

// of makes the image of a Dockerfile.
func (w *world) of(d dockerfile) (oci.Image, error) {
	var files []oci.File
	for _, c := range d.copies {
		to := strings.TrimPrefix(c.to, "/")
		files = append(files, oci.Parents(to)...)
		files = append(files, oci.File{Name: to, From: filepath.Join(w.bin, c.from), Mode: 0o755})
	}
	below, err := w.distroless()
	if err != nil {
		return oci.Image{}, err
	}
	l, err := w.blobs().Files(files...)
	return oci.Image{Names: []string{"docker.io/library/" + d.name}, Config: d.config, Layers: []oci.Layer{below, l}}, err
}

// distroless stands for the image of this name, which has no shell: users, the
// certificates of authorities, and /tmp.
func (w *world) distroless() (oci.Layer, error) {
	files := []oci.File{
		{Name: "etc/", Mode: 0o755},
		{Name: "etc/passwd", Mode: 0o644, Text: []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
		{Name: "etc/group", Mode: 0o644, Text: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{Name: "home/", Mode: 0o755},
		{Name: "home/nonroot/", Mode: 0o700, UID: 65532, GID: 65532},
		{Name: "tmp/", Mode: 0o1777},
	}
	const authorities = "etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat("/" + authorities); err == nil {
		files = append(files, oci.File{Name: "etc/ssl/", Mode: 0o755}, oci.File{Name: "etc/ssl/certs/", Mode: 0o755})
		files = append(files, oci.File{Name: authorities, From: "/" + authorities, Mode: 0o644})
	}
	return w.blobs().Files(files...)
}

// dockerfile is what the Dockerfiles of deploy/images say; they say no more than this.
type dockerfile struct {
	name   string // that its first line builds
	copies []struct{ from, to string }
	config oci.Config
}

func readDockerfile(text string) (dockerfile, error) {
	var d dockerfile
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch word {
		case "", "EXPOSE":
		case "#":
			if _, after, ok := strings.Cut(rest, "docker build "); ok && d.name == "" {
				_, after, _ = strings.Cut(after, "-t ")
				d.name, _, _ = strings.Cut(after, " ")
			}
		case "FROM":
			if !strings.HasPrefix(rest, "gcr.io/distroless/static:nonroot") {
				return d, fmt.Errorf("cannot build on %s", rest)
			}
		case "COPY":
			from, to, _ := strings.Cut(rest, " ")
			d.copies = append(d.copies, struct{ from, to string }{from, to})
		case "USER":
			d.config.User = rest
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(rest), &d.config.Entrypoint); err != nil {
				return d, fmt.Errorf("ENTRYPOINT: %w", err)
			}
		default:
			return d, fmt.Errorf("cannot do %s", word)
		}
	}
	if d.name == "" || len(d.copies) == 0 || len(d.config.Entrypoint) == 0 || d.config.User == "" {
		return d, fmt.Errorf("the name, COPY, USER or ENTRYPOINT is missing")
	}
	return d, nil
}
