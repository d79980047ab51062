package archive

import (
	"strings"

	"github.com/remora-ray/remora/internal/ray"
)

// output is the name of a file that lies beside sessions.
type output struct {
	node       string // "" for the head
	file       ray.File
	compressed bool
}

// parseOutput reads container.log, container.<pod>.log, <pod>.stdout.log,
// driver<N>.log and submitter.log, each also with .zst or .gz.
func parseOutput(name string) (output, bool) {
	base := name
	var o output
	for _, ext := range []string{".zst", ".gz"} {
		if b, ok := strings.CutSuffix(base, ext); ok {
			base, o.compressed = b, true
		}
	}
	stem, ok := strings.CutSuffix(base, ".log")
	if !ok {
		return output{}, false
	}
	o.file = ray.File{Path: base, Stream: base, Output: "log"}
	switch {
	case stem == "container":
	case strings.HasPrefix(stem, "container."):
		o.node = strings.TrimPrefix(stem, "container.")
	case strings.HasSuffix(stem, ".stdout"):
		o.node = strings.TrimSuffix(stem, ".stdout")
	case isDriver(stem):
		o.file.Component, o.file.Format = ray.ComponentJob, ray.FormatDriver
		return o, true
	default:
		return output{}, false
	}
	o.file.Component, o.file.Format = ray.ComponentContainer, ray.FormatContainer
	return o, true
}

func isDriver(stem string) bool {
	if stem == "submitter" {
		return true
	}
	n, ok := strings.CutPrefix(stem, "driver")
	return ok && strings.Trim(n, "0123456789") == ""
}
