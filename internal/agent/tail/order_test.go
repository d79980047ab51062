package tail

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func key(n uint64) Key { return Key{Dev: 1, Ino: n, Birth: int64(n)} }

func sighting(ino uint64, rotation int, text string) Sighting {
	return Sighting{Rotation: rotation, Stat: Stat{Key: key(ino), Size: int64(len(text))}, Head: []byte(text)}
}

func TestOrder(t *testing.T) {
	known := func(ino uint64, rotation int, begun bool, text string) Known {
		return Known{Key: key(ino), Rotation: rotation, Begun: begun, Head: HeadOf([]byte(text))}
	}
	for name, c := range map[string]struct {
		known []Known
		seen  []Sighting
		want  []Place
	}{
		"the first files, oldest first": {
			seen: []Sighting{sighting(3, 0, "c"), sighting(2, 1, "b"), sighting(1, 2, "a")},
			want: []Place{{2, 0, -1, false}, {1, 0, -1, false}, {0, 0, -1, false}},
		},
		"an empty file waits": {
			seen: []Sighting{sighting(1, 0, "")},
		},
		"one that is known already": {
			known: []Known{known(1, 0, true, "a")},
			seen:  []Sighting{sighting(1, 0, "a")},
		},
		"two rotations between two looks": {
			known: []Known{known(1, 2, true, "a")},
			seen:  []Sighting{sighting(3, 0, "c"), sighting(2, 1, "b")},
			want:  []Place{{1, 1, -1, false}, {0, 1, -1, false}},
		},
		"the known one is gone": {
			known: []Known{known(1, 1<<62, true, "a")},
			seen:  []Sighting{sighting(3, 0, "c")},
			want:  []Place{{0, 1, -1, false}},
		},
		"a file met twice counts by its older name": {
			seen: []Sighting{sighting(2, 0, "b"), sighting(2, 1, "b"), sighting(1, 2, "a")},
			want: []Place{{2, 0, -1, false}, {1, 0, -1, false}},
		},
		"missed, and the next one is not begun": {
			known: []Known{known(1, 2, true, "a"), known(3, 0, false, "c")},
			seen:  []Sighting{sighting(2, 1, "b")},
			want:  []Place{{0, 1, -1, false}},
		},
		"missed, and the next one is begun": {
			known: []Known{known(1, 2, true, "a"), known(3, 0, true, "c")},
			seen:  []Sighting{sighting(2, 1, "b")},
			want:  []Place{{0, 2, -1, true}},
		},
		"a copy made to truncate the file": {
			known: []Known{known(1, 0, true, "same")},
			seen:  []Sighting{sighting(2, 1, "same and more")},
			want:  []Place{{0, 1, 0, false}},
		},
	} {
		if d := cmp.Diff(c.want, Order(c.known, c.seen)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestPrintKnowsAFileThatHasGrown(t *testing.T) {
	k := key(7)
	p := Print(k, HeadOf([]byte(":job_id:01000000\n")))
	for name, c := range map[string]struct {
		key  Key
		head string
		want bool
	}{
		"grown":       {k, ":job_id:01000000\nmore", true},
		"as it was":   {k, ":job_id:01000000\n", true},
		"cut":         {k, ":job_id:", false},
		"other bytes": {k, ":job_id:02000000\nmore", false},
		"other inode": {key(8), ":job_id:01000000\n", false},
	} {
		if got := PrintMatches(p, c.key, []byte(c.head)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if len(p) > 64 {
		t.Errorf("a fingerprint has %d bytes, the wire takes 64", len(p))
	}
	if PrintMatches([]byte("short"), k, nil) {
		t.Error("a foreign fingerprint matches")
	}
}
