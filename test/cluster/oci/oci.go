// Package oci makes container images that containerd imports, without an engine and
// without a registry. Its one invariant: an image's digest changes with what is in it and
// with nothing else, so that what did not change is not imported again.
package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Store keeps blobs in a directory, each under its digest.
type Store struct{ Dir string }

// Layer is an uncompressed layer that is in a store.
type Layer struct {
	Digest string `json:"digest"` // sha256:…
	Size   int64  `json:"size"`
}

// Config is what a container of an image runs unless told otherwise.
type Config struct {
	User       string   `json:"User,omitempty"`
	WorkingDir string   `json:"WorkingDir,omitempty"`
	Entrypoint []string `json:"Entrypoint,omitempty"`
	Cmd        []string `json:"Cmd,omitempty"`
	Env        []string `json:"Env,omitempty"`
}

// Image is one image under all its names, such as docker.io/library/busybox:1.35.
type Image struct {
	Names  []string
	Config Config
	Layers []Layer
}

func (s Store) path(digest string) string {
	return filepath.Join(s.Dir, digest[len("sha256:"):])
}

// Has reports whether a layer is there.
func (s Store) Has(l Layer) bool {
	info, err := os.Stat(s.path(l.Digest))
	return err == nil && info.Size() == l.Size
}

// Put keeps what write writes, which must be a tar, as a layer.
func (s Store) Put(write func(*tar.Writer) error) (Layer, error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return Layer{}, err
	}
	f, err := os.CreateTemp(s.Dir, "new-")
	if err != nil {
		return Layer{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	t := tar.NewWriter(io.MultiWriter(f, sum))
	if err := write(t); err != nil {
		return Layer{}, err
	}
	if err := t.Close(); err != nil {
		return Layer{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return Layer{}, err
	}
	l := Layer{Digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Size: size}
	return l, os.Rename(f.Name(), s.path(l.Digest))
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// made is an image as JSON.
type made struct {
	manifest, config         []byte
	manifestDesc, configDesc descriptor
}

func describe(mediaType string, text []byte) descriptor {
	sum := sha256.Sum256(text)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(text))}
}

func (i Image) made() (made, error) {
	ids := []string{}
	layers := []descriptor{}
	for _, l := range i.Layers {
		ids = append(ids, l.Digest)
		layers = append(layers, descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: l.Digest, Size: l.Size})
	}
	var m made
	var err error
	m.config, err = json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": i.Config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	if err != nil {
		return made{}, err
	}
	m.configDesc = describe("application/vnd.oci.image.config.v1+json", m.config)
	const kind = "application/vnd.oci.image.manifest.v1+json"
	m.manifest, err = json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": kind, "config": m.configDesc, "layers": layers})
	if err != nil {
		return made{}, err
	}
	m.manifestDesc = describe(kind, m.manifest)
	return m, nil
}

// Digest is the image's own name: it changes with whatever is in it.
func (i Image) Digest() (string, error) {
	m, err := i.made()
	return m.manifestDesc.Digest, err
}

// Archive writes images as one archive; a layer of several images is in it once.
func (s Store) Archive(w io.Writer, images ...Image) error {
	t := tar.NewWriter(w)
	written := map[string]bool{}
	blob := func(digest string, size int64, r io.Reader) error {
		if written[digest] {
			return nil
		}
		written[digest] = true
		return add(t, "blobs/sha256/"+digest[len("sha256:"):], size, r)
	}
	index := []descriptor{}
	for _, image := range images {
		m, err := image.made()
		if err != nil {
			return err
		}
		for _, l := range image.Layers {
			if err := s.layer(l, blob); err != nil {
				return fmt.Errorf("image %s: %w", image.Names[0], err)
			}
		}
		if err := blob(m.configDesc.Digest, m.configDesc.Size, bytes.NewReader(m.config)); err != nil {
			return err
		}
		if err := blob(m.manifestDesc.Digest, m.manifestDesc.Size, bytes.NewReader(m.manifest)); err != nil {
			return err
		}
		for _, name := range image.Names {
			d := m.manifestDesc
			d.Annotations = map[string]string{"io.containerd.image.name": name}
			index = append(index, d)
		}
	}
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": index})
	if err != nil {
		return err
	}
	if err := add(t, "index.json", int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	const layout = `{"imageLayoutVersion":"1.0.0"}`
	if err := add(t, "oci-layout", int64(len(layout)), bytes.NewReader([]byte(layout))); err != nil {
		return err
	}
	return t.Close()
}

func (s Store) layer(l Layer, blob func(string, int64, io.Reader) error) error {
	f, err := os.Open(s.path(l.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	return blob(l.Digest, l.Size, f)
}

func add(t *tar.Writer, name string, size int64, r io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(t, r)
	return err
}
