package logs

import "testing"

// The names are those that a Loki 3.7.8 made of the same.
func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{
		"größe": "gr_e", "a__b": "a_b", "__c": "_c", "d..e": "d_e", "_f": "_f", "g_": "g_", "h-": "h_", "_.i": "_i",
		"j.__k": "j_k", "9.": "key_9_", "__p__": "__p__", "m": "m", "trace.id": "trace_id", "0day": "key_0day", "": "",
	} {
		if got := CleanName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
