package ray

// interner makes one string of equal byte slices, so that a steady stream of
// lines allocates nothing. It forgets all when it is full.
type interner struct {
	seen map[string]string
	last string // the value asked for before: most lines repeat it
}

const internerSize = 1024

func (in *interner) str(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if string(b) == in.last {
		return in.last
	}
	if s, ok := in.seen[string(b)]; ok {
		in.last = s
		return s
	}
	if in.seen == nil || len(in.seen) >= internerSize {
		in.seen = make(map[string]string)
	}
	s := string(b)
	in.seen[s] = s
	in.last = s
	return s
}
