package tail

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func pack(t testing.TB, members ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range members {
		z := gzip.NewWriter(&b)
		if _, err := z.Write(m); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func unpacker(t testing.TB, packed []byte) *Unpacker {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.gz")
	if err := os.WriteFile(path, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { CloseFile(fd) })
	return NewUnpacker(fd)
}

func TestUnpackerReadsAtAnyOffset(t *testing.T) {
	text := []byte(strings.Repeat("0123456789abcdef\n", 50000))
	u := unpacker(t, pack(t, text[:300001], text[300001:]))
	r := rand.New(rand.NewPCG(1, 2))
	at := int64(0)
	for i := range 200 {
		switch {
		case i%17 == 16:
			at = r.Int64N(int64(len(text)) + 10) // anywhere
		case i%3 == 2:
			at = max(0, at-64) // as a reader does to see whether the file is the same
		}
		b := make([]byte, 1+r.IntN(40000))
		n, err := u.ReadAt(b, at)
		if err != nil {
			t.Fatal(err)
		}
		want := text[min(at, int64(len(text))):min(at+int64(len(b)), int64(len(text)))]
		if !bytes.Equal(b[:n], want) {
			t.Fatalf("%d bytes at %d are others than were packed", n, at)
		}
		at = min(at+int64(n), int64(len(text)))
	}
	if _, err := u.ReadAt(make([]byte, 1), int64(len(text))); err != nil {
		t.Fatal(err)
	}
	if size, damage, ended := u.Ended(); size != int64(len(text)) || damage != nil || !ended {
		t.Errorf("ended %v at %d, damage %v", ended, size, damage)
	}
}

func TestUnpackerOfADamagedFileGivesWhatIsThere(t *testing.T) {
	text := make([]byte, 200000)
	for i := range text {
		text[i] = byte('a' + i*i%23)
	}
	whole := pack(t, text)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	for name, c := range map[string]struct {
		packed []byte
		least  int
	}{
		"cut":             {whole[:len(whole)/2], 1},
		"wrong checksum":  {flipped, len(text)},
		"empty":           {nil, 0},
		"no gzip":         {[]byte("plain text, and some more of it\n"), 0},
		"cut in its head": {whole[:5], 0},
		"garbage behind":  {append(bytes.Clone(whole), "garbage"...), len(text)},
	} {
		u := unpacker(t, c.packed)
		b := make([]byte, len(text)+100)
		n, err := u.ReadAt(b, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n < c.least || !bytes.Equal(b[:n], text[:n]) {
			t.Errorf("%s: %d bytes, want %d or more of what was packed", name, n, c.least)
		}
		if size, damage, ended := u.Ended(); !ended || damage == nil || size != int64(n) || damage == io.EOF {
			t.Errorf("%s: ended %v at %d, damage %v", name, ended, size, damage)
		}
	}
}

func FuzzUnpacker(f *testing.F) {
	f.Add(pack(f, []byte("one line\n")))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		u := unpacker(t, packed)
		b := make([]byte, 4096)
		n, err := u.ReadAt(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		again := make([]byte, 4096)
		if m, err := u.ReadAt(again, 0); err != nil || !bytes.Equal(b[:n], again[:m]) {
			t.Errorf("%d bytes, and then %d, %v", n, m, err)
		}
	})
}
