package logs

import "strings"

// CleanName makes a name of structured metadata that Loki would keep: letters and
// digits, and one _ for whatever stands between them; before a digit at its
// beginning stands key_. Names such as __this__ are left alone. A name that needs
// nothing is returned as it is.
func CleanName(name string) string {
	if cleanName(name) {
		return name
	}
	b := make([]byte, 0, len(name)+4)
	if '0' <= name[0] && name[0] <= '9' {
		b = append(b, "key_"...)
	}
	for _, c := range []byte(name) {
		switch {
		case alphanumeric(c):
			b = append(b, c)
		case len(b) == 0 || b[len(b)-1] != '_':
			b = append(b, '_')
		}
	}
	return string(b)
}

func cleanName(name string) bool {
	if name == "" || ValidName(name) && strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") {
		return true
	}
	for i := range len(name) {
		c := name[i]
		if !alphanumeric(c) && c != '_' || c == '_' && i > 0 && name[i-1] == '_' {
			return false
		}
	}
	return name[0] < '0' || name[0] > '9'
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
