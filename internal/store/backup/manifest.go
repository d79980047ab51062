package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

// manifest is what a backup holds. As bytes it is a line that says so, with the
// hash of the rest, which is JSON.
type manifest struct {
	Created time.Time `json:"created"`
	Dirs    []string  `json:"dirs"`
	Files   []file    `json:"files"`
}

type file struct {
	Path   string `json:"path"`
	Size   uint64 `json:"size"`
	SHA256 string `json:"sha256"`
}

const (
	manifestHead = "remora backup 1 sha256:"
	maxManifest  = 1 << 30
)

func (m *manifest) bytes() (total uint64) {
	for _, f := range m.Files {
		total += f.Size
	}
	return total
}

func (m *manifest) encode() []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers
	}
	sum := sha256.Sum256(body)
	return append([]byte(manifestHead+hex.EncodeToString(sum[:])+"\n"), body...)
}

func readManifest(ctx context.Context, t Target, name string) (*manifest, error) {
	r, err := t.Get(ctx, backupsDir+"/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no backup %s: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read backup %s: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("read backup %s: %w", name, err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("backup %s is damaged: %w: restore another one", name, err)
	}
	return m, nil
}

// parseManifest checks all that restoring relies on.
func parseManifest(data []byte) (*manifest, error) {
	head, body, _ := bytes.Cut(data, []byte("\n"))
	want, ok := bytes.CutPrefix(head, []byte(manifestHead))
	if !ok {
		return nil, errors.New("it is no list of files of this version")
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != string(want) {
		return nil, errors.New("its checksum is wrong")
	}
	m := &manifest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, err
	}
	for _, d := range m.Dirs {
		if !filepath.IsLocal(d) {
			return nil, fmt.Errorf("directory %q would lie elsewhere", d)
		}
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Path) {
			return nil, fmt.Errorf("file %q would lie elsewhere", f.Path)
		}
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("file %q has no checksum", f.Path)
		}
	}
	return m, nil
}
