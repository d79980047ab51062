package server

import "testing"

// Sizes in lines are told with two digits, those of structured metadata as they are.
func TestRoundedSizes(t *testing.T) {
	for value, want := range map[string]string{
		"1KB": "1.0kB", "2MiB": "2.1MB", "512B": "512B", "5": "5", "1h": "1h", "big": "big", "": "",
	} {
		if got := rounded(value); got != want {
			t.Errorf("rounded(%q) = %q, want %q", value, got, want)
		}
	}
}
