package server_test

import (
	"strings"
	"testing"
)

// A fault of a stream's labels is told once, however many lines the stream has; one of
// lines as often as it comes. null stands for no values.
func TestFaultsAreCountedAsLokiDoes(t *testing.T) {
	r := start(t)
	long := strings.Repeat("v", 2049)
	one := `{"stream":{"app":"x","v":"` + long + `"},"values":[` + jsonLine(noon, "a") + `,` + jsonLine(noon, "b") + `]}`
	got := r.pushJSON(`{"streams":[` + one + `]}`)
	got.want(t, 400, `stream '{app="x", service_name="x", v="`+long+`"}' has label value too long: '`+long+`'`)
	if strings.Contains(got.body, "errors like") {
		t.Errorf("several faults: %.100s", got.body)
	}
	r.pushJSON(`{"streams":[`+one+`,`+one+`]}`).want(t, 400, "2 errors like: stream '{")
	r.pushJSON(`{"streams":[{"stream":{"app":"x"},"values":null},{"stream":{"app":"x"},"values":[null,`+jsonLine(noon, "c")+`]}]}`).want(t, 204)
}
