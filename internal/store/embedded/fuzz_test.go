package embedded

import (
	"reflect"
	"testing"

	"github.com/remora-ray/remora/internal/store/ledger"
)

// FuzzParseStream reads any text as the engine's name of a stream.
func FuzzParseStream(f *testing.F) {
	for _, s := range []string{`{"a"="b",c="d"}`, `{a="\xff,}"}`, `{`, `{a=}`, `{"remora:_msg"="x"}`, `{a="b",a="c"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ls := parseStream(s)
		for i := 1; i < len(ls); i++ {
			if ls[i-1].Name >= ls[i].Name {
				t.Fatalf("%q is read as %v, which is not in order", s, ls)
			}
		}
	})
}

// FuzzInventory: a list that is torn or foreign counts as none; one that is whole
// is what was written.
func FuzzInventory(f *testing.F) {
	f.Add(dayInventory{"datadb/1": {"a.bin": {Size: 1, CRC: 2}}}.marshal())
	f.Add([]byte("{}\n00000000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := parseInventory(data)
		if d == nil {
			return
		}
		if again := parseInventory(d.marshal()); !reflect.DeepEqual(d, again) {
			t.Fatalf("%v is read back as %v", d, again)
		}
	})
}

// FuzzTable reads any file as the table of committed offsets.
func FuzzTable(f *testing.F) {
	f.Add((&table{position: 7}).marshal(ledger.New().AppendTable(nil)))
	f.Add([]byte(tableMagic))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseTable(data)
	})
}
