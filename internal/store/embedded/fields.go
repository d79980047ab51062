package embedded

import (
	"strings"

	"github.com/remora-ray/remora/internal/logs"
)

// Names of fields that are ours and that no query shows.
const (
	fieldFile   = "remora_file"   // hex identity of the file a row came from
	fieldRow    = "remora_row"    // number of a row that came without a file
	fieldMarker = "remora_marker" // a row that only makes a stream known, see replay
)

// A name that the engine or we give a meaning of their own is stored with a
// prefix, and so is one that already begins with it. A structured metadata
// name that is also a label of the stream gets one that tells it is metadata.
const (
	escapePrefix   = "remora:"
	metadataPrefix = "remora:m:"
)

// fieldName is the engine's name of a label or of structured metadata.
func fieldName(name string) string {
	if protected(name) {
		return escapePrefix + name
	}
	return name
}

func protected(name string) bool {
	switch name {
	case "_time", "_stream", "_stream_id", "_msg", fieldFile, fieldRow, fieldMarker:
		return true
	}
	return strings.HasPrefix(name, escapePrefix)
}

// metadataField is the engine's name of structured metadata on a line of stream.
func metadataField(stream logs.Labels, name string) string {
	if _, taken := stream.Lookup(name); taken {
		return metadataPrefix + name
	}
	return fieldName(name)
}

// metadataName undoes metadataField; ok is false for fields that are not
// structured metadata but ours or the engine's.
func metadataName(field string) (name string, ok bool) {
	if rest, ok := strings.CutPrefix(field, metadataPrefix); ok {
		return rest, true
	}
	if rest, ok := strings.CutPrefix(field, escapePrefix); ok {
		return rest, true
	}
	return field, !protected(field)
}
