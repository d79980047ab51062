package convert

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/remora-ray/remora/internal/agent/config"
)

// What is written is what the agent loads.
func TestTheAgentLoadsWhatIsWritten(t *testing.T) {
	env := func(name string) (string, bool) { return "value-of-" + name, true }
	for _, name := range configurations(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := Convert(name, text)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "agent.yaml")
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, env); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
