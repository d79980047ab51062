package ray

import "bytes"

// jsonFields reads the members of one JSON object, for lines that Ray writes: it
// checks no more than it must, allocates nothing and stops at what is no JSON.
type jsonFields struct {
	rest []byte
}

// openObject begins reading at the "{" that b starts with.
func openObject(b []byte) (jsonFields, bool) {
	b = skipSpace(b)
	if len(b) < 2 || b[0] != '{' {
		return jsonFields{}, false
	}
	return jsonFields{rest: b[1:]}, true
}

// next gives the next member. A string's value comes without its quotes and with
// its escapes; an object, array, number or word as it stands.
func (f *jsonFields) next() (key, value []byte, ok bool) {
	b := skipSpace(f.rest)
	if len(b) > 0 && b[0] == ',' {
		b = skipSpace(b[1:])
	}
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	key, b, ok = jsonString(b)
	if !ok {
		return nil, nil, false
	}
	b = skipSpace(b)
	if len(b) == 0 || b[0] != ':' {
		return nil, nil, false
	}
	value, f.rest, ok = jsonValue(skipSpace(b[1:]))
	return key, value, ok
}

// closed tells whether the object ended where reading stopped.
func (f *jsonFields) closed() bool {
	b := skipSpace(f.rest)
	return len(b) > 0 && b[0] == '}'
}

func jsonString(b []byte) (s, rest []byte, ok bool) {
	b = b[1:]
	for i := 0; ; {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return nil, nil, false
		}
		i += j
		k := i
		for k > 0 && b[k-1] == '\\' {
			k--
		}
		if (i-k)%2 == 0 {
			return b[:i], b[i+1:], true
		}
		i++
	}
}

func jsonValue(b []byte) (v, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	switch b[0] {
	case '"':
		return jsonString(b)
	case '{', '[':
		return jsonNested(b)
	}
	i := 0
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] != ' ' {
		i++
	}
	return b[:i], b[i:], i > 0
}

// jsonNested gives an object or array whole.
func jsonNested(b []byte) (v, rest []byte, ok bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return b[:i+1], b[i+1:], true
			}
		case '"':
			_, after, ok := jsonString(b[i:])
			if !ok {
				return nil, nil, false
			}
			i = len(b) - len(after) - 1
		}
	}
	return nil, nil, false
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}
