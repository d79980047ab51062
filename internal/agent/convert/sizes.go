package convert

import (
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

var size = regexp.MustCompile(`^([0-9]{1,9})\s*([KMG]i?B|[kKMG]|B)?$`)

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

// Bounds of a batch, as the agent has them.
const (
	minBatch = 4 << 10
	maxBatch = 16 << 20
)

// batchBytes writes a size as the agent reads it, within its bounds.
func batchBytes(v string) (*yaml.Node, string) {
	m := size.FindStringSubmatch(v)
	if m == nil {
		return nil, "it is not a size such as 1MiB"
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return nil, "it is not a size such as 1MiB"
	}
	n *= sizeUnits[m[2]]
	switch {
	case n < minBatch:
		return text("4KiB"), "bounds are 4KiB and 16MiB"
	case n > maxBatch:
		return text("16MiB"), "bounds are 4KiB and 16MiB"
	case n%(1<<20) == 0:
		return text(strconv.FormatInt(n>>20, 10) + "MiB"), ""
	case n%(1<<10) == 0:
		return text(strconv.FormatInt(n>>10, 10) + "KiB"), ""
	}
	return word(n), ""
}
