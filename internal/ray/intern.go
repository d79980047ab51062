package ray

// interner makes one string of equal byte slices, so that a steady stream of
// lines allocates nothing. It forgets all when it is full.
type interner struct {
	seen map[string]string
}

const internerSize = 1024

func (in *interner) str(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := in.seen[string(b)]; ok {
		return s
	}
	if in.seen == nil || len(in.seen) >= internerSize {
		in.seen = make(map[string]string)
	}
	s := string(b)
	in.seen[s] = s
	return s
}

// latest is str for a field whose value the next line mostly repeats: *last is
// the value of the line before.
func (in *interner) latest(last *string, b []byte) string {
	if string(b) != *last {
		*last = in.str(b)
	}
	return *last
}
