package tail

import "testing"

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		cursor Cursor
		state  State
		want   Action
	}{
		"nothing new":                          {Cursor{10, 10}, State{Size: 10, Open: true}, Wait},
		"an empty file":                        {Cursor{}, State{}, Wait},
		"it has grown":                         {Cursor{10, 10}, State{Size: 20, Open: true}, Read},
		"it has grown and is not open":         {Cursor{10, 10}, State{Size: 20}, Open},
		"it has grown and nobody can get it":   {Cursor{10, 10}, State{Size: 20, Lost: true, Ended: true}, Abandon},
		"half a line":                          {Cursor{10, 15}, State{Size: 15, Open: true}, Wait},
		"half a line has grown":                {Cursor{10, 15}, State{Size: 16, Open: true}, Read},
		"half a line and the writer has ended": {Cursor{10, 15}, State{Size: 15, Open: true, Ended: true}, Flush},
		"half a line, ended, not open":         {Cursor{10, 15}, State{Size: 15, Ended: true}, Open},
		"half a line that nobody can get":      {Cursor{10, 15}, State{Size: 15, Lost: true}, Abandon},
		"all taken, ended":                     {Cursor{15, 15}, State{Size: 15, Open: true, Ended: true}, Advance},
		"all taken, ended, not open":           {Cursor{15, 15}, State{Size: 15, Ended: true}, Advance},
		"all taken and gone":                   {Cursor{15, 15}, State{Size: 15, Lost: true}, Advance},
		"ended but not all taken":              {Cursor{10, 10}, State{Size: 15, Open: true, Ended: true}, Read},
		"smaller than what was taken":          {Cursor{10, 10}, State{Size: 5, Open: true}, Restart},
		"smaller, though its writer has ended": {Cursor{10, 10}, State{Size: 0, Open: true, Ended: true}, Restart},
		"other bytes before the place":         {Cursor{10, 10}, State{Size: 50, Open: true, Changed: true}, Restart},
		"a half line was cut off":              {Cursor{10, 15}, State{Size: 10, Open: true}, Wait},
	} {
		if got := Next(c.cursor, c.state); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Whatever is seen, a decision either waits or leads somewhere: reading again and
// again what is there comes to rest.
func TestNextComesToRest(t *testing.T) {
	for size := range int64(4) {
		for offset := range size + 1 {
			for seen := offset; seen <= size; seen++ {
				for bits := range 4 {
					c := Cursor{offset, seen}
					s := State{Size: size, Ended: bits&1 != 0, Lost: bits&2 != 0}
					settle(t, c, s)
				}
			}
		}
	}
}

func settle(t *testing.T, c Cursor, s State) {
	t.Helper()
	from := c
	for range 10 {
		switch Next(c, s) {
		case Wait, Advance, Abandon, Restart:
			return
		case Open:
			s.Open = true
		case Read:
			c.Seen = s.Size
		case Flush:
			c.Offset = c.Seen
		}
	}
	t.Errorf("cursor %+v of %+v does not come to rest", from, s)
}
