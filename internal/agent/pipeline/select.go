package pipeline

// Select is a batch of some parts of another one, with the same bodies, or with those
// that bodies has for them. It is good for as long as the other one is.
func (b *Batch) Select(parts []int, bodies map[int][]byte) *Batch {
	some := &Batch{Parts: make([]Part, 0, len(parts))}
	for _, i := range parts {
		body, ok := bodies[i]
		if !ok {
			body = b.Bytes(i)
		}
		p := b.Parts[i]
		p.begin = len(some.Body)
		some.Body = append(some.Body, body...)
		p.end = len(some.Body)
		some.Parts = append(some.Parts, p)
	}
	return some
}
