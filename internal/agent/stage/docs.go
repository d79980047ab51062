package stage

import "slices"

// StageDoc is what a reference says of one stage.
type StageDoc struct {
	Name    string
	Summary string // one sentence
	Keys    []Key
	Example Example
}

// Key is one setting of a stage.
type Key struct {
	Name    string
	Type    string // text, list, mapping, number, size, regular expression, stages, selector
	Default string // as it would be written; "" where there is none
	Text    string
}

// Example is a pipeline, lines that go in and what comes out: one line for each,
// as Show writes it.
type Example struct {
	YAML string
	In   []string
	Out  []string
}

// kind is a stage that can be written in a configuration.
type kind struct {
	doc     StageDoc
	list    bool // its settings may be a list
	compile func(*settings) step
}

// kinds are all stages by name; see init for their order.
var (
	kinds = map[string]*kind{}
	order []*kind
)

func init() {
	order = []*kind{
		&rayKind, &criKind, &jsonKind, &logfmtKind, &regexKind, &timestampKind,
		&labelsKind, &metadataKind, &relabelKind, &templateKind, &replaceKind, &truncateKind,
		&matchKind, &dropKind, &keepKind, &sampleKind, &limitKind,
	}
	for _, k := range order {
		kinds[k.doc.Name] = k
	}
}

// Docs describes every stage, in the order in which a reference should.
func Docs() []StageDoc {
	docs := make([]StageDoc, 0, len(order))
	for _, k := range order {
		d := k.doc
		d.Keys = slices.Clone(d.Keys)
		docs = append(docs, d)
	}
	return docs
}

// with joins lists of keys.
func with(lists ...[]Key) []Key { return slices.Concat(lists...) }

func reasonKey(name string) Key {
	return Key{"reason", "text", name, "the reason under which dropped lines are counted: letters, digits, _ and -"}
}

var sourceKey = Key{"source", "text", "line", "what to read: `line`, or the name of an extracted field, structured metadata or a stream label"}
