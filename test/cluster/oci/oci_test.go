package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unpack reads an archive; it fails on a blob that is not what its name says.
func unpack(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[h.Name]; twice {
			t.Errorf("%s is in the archive twice", h.Name)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if digest, ok := strings.CutPrefix(h.Name, "blobs/sha256/"); ok {
			if sum := sha256.Sum256(files[h.Name]); hex.EncodeToString(sum[:]) != digest {
				t.Errorf("blob %s has another digest", digest)
			}
		}
	}
}

func TestAnArchiveHoldsItsImagesUnderAllNames(t *testing.T) {
	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "d", "f"), []byte("text"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", filepath.Join(tree, "d", "l")); err != nil {
		t.Fatal(err)
	}
	s := Store{Dir: t.TempDir()}
	below, err := s.Tree(tree)
	if err != nil {
		t.Fatal(err)
	}
	above, err := s.Files(File{Name: "bin/", Mode: 0o755}, File{Name: "bin/a", Text: []byte("a"), Mode: 0o755})
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	err = s.Archive(&archive,
		Image{Names: []string{"x:1", "x:2"}, Config: Config{User: "1000"}, Layers: []Layer{below, above}},
		Image{Names: []string{"y:1"}, Layers: []Layer{below}})
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, archive.Bytes())
	var index struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, m := range index.Manifests {
		names[m.Annotations["io.containerd.image.name"]] = m.Digest
	}
	if len(names) != 3 || names["x:1"] != names["x:2"] || names["x:1"] == names["y:1"] {
		t.Errorf("names and images: %v", names)
	}
	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(files["blobs/sha256/"+names["x:1"][len("sha256:"):]], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Layers) != 2 || manifest.Layers[0].Digest != below.Digest {
		t.Fatalf("layers %v", manifest.Layers)
	}
	layer := unpack(t, files["blobs/sha256/"+below.Digest[len("sha256:"):]])
	if string(layer["d/f"]) != "text" {
		t.Errorf("the layer of the tree holds %v", layer)
	}
}

func TestAnImagesDigestChangesWithItsContents(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	digest := func(text string, config Config) string {
		t.Helper()
		l, err := s.Files(File{Name: "a", Text: []byte(text), Mode: 0o755})
		if err != nil {
			t.Fatal(err)
		}
		d, err := Image{Names: []string{"x"}, Config: config, Layers: []Layer{l}}.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := digest("a", Config{})
	if again := digest("a", Config{}); again != first {
		t.Error("equal images have different digests")
	}
	if digest("b", Config{}) == first || digest("a", Config{User: "1"}) == first {
		t.Error("different images have one digest")
	}
}
