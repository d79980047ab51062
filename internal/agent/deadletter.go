package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/wall"
)

// deadLetterBudget bounds what refused parts may take in the state directory; the
// oldest make room for new ones.
const deadLetterBudget = 64 << 20

// bury keeps what the server refuses for good: NAME.push is the stream as it was
// sent (push protobuf, not compressed), NAME.json says which file and why.
func (a *agent) bury(p *pipeline.Part, body []byte, why error) error {
	dir := filepath.Join(a.conf.State, "refused")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("keep a refused part: %w", err)
	}
	a.makeRoom(dir, int64(len(body)))
	name := filepath.Join(dir, fmt.Sprintf("%s-%d-%s-%d", wall.Now().UTC().Format("20060102T150405.000000000"), os.Getpid(), p.File, p.From))
	about, err := json.MarshalIndent(map[string]any{
		"file": p.File, "from": p.From, "to": p.To, "lines": p.Lines, "reason": why.Error(), "time": wall.Now().UTC(),
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".push", body, 0o640); err != nil {
		return fmt.Errorf("keep a refused part: %w", err)
	}
	if err := os.WriteFile(name+".json", append(about, '\n'), 0o640); err != nil {
		return fmt.Errorf("keep a refused part: %w", err)
	}
	return nil
}

func (a *agent) makeRoom(dir string, size int64) {
	entries, err := os.ReadDir(dir) // sorted: oldest first
	if err != nil {
		return
	}
	var sizes []int64
	for _, e := range entries {
		n := int64(0)
		if i, err := e.Info(); err == nil {
			n = i.Size()
		}
		sizes = append(sizes, n)
		size += n
	}
	for i := range slices.Clone(sizes) {
		if size <= deadLetterBudget {
			return
		}
		if os.Remove(filepath.Join(dir, entries[i].Name())) == nil {
			size -= sizes[i]
			a.met.drops.WithLabelValues("dead-letter-removed").Inc()
		}
	}
}
