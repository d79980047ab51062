package fleet

import (
	"context"
	"time"

	"github.com/remora-ray/remora/internal/agent"
)

// Status is how the agent stands, as GET /status tells. Nothing of it is secret.
type Status struct {
	Version string         `json:"version"`
	Began   time.Time      `json:"began"`
	Config  ConfigStatus   `json:"config"`
	Engines []EngineStatus `json:"engines"`
}

// ConfigStatus tells which configuration is in force and what came of reading it
// last; Error is why the last one was refused.
type ConfigStatus struct {
	File  string    `json:"file,omitempty"`
	Read  time.Time `json:"read"`
	Error string    `json:"error,omitempty"`
}

// EngineStatus is how one source's way to one output stands.
type EngineStatus struct {
	Source  string   `json:"source"`
	Output  string   `json:"output"`
	To      string   `json:"to"` // without what is secret
	Ending  bool     `json:"ending,omitempty"`
	CatchUp *CatchUp `json:"catch_up,omitempty"`
	agent.Status
}

func (f *fleet) status(ctx context.Context) Status {
	f.mu.Lock()
	s := Status{Version: f.o.Version, Began: f.began, Config: ConfigStatus{Read: f.last.Time, Error: f.last.Error}}
	if len(f.conf.Files) > 0 {
		s.Config.File = f.conf.Files[0].Path
	}
	ending := map[*engine]bool{}
	for _, e := range f.engines {
		ending[e] = e.stopped != nil
	}
	f.mu.Unlock()
	for _, e := range f.all() {
		x := EngineStatus{Source: e.spec.Source.Name, Output: e.spec.Output.Name, To: e.spec.Output.Place(), Ending: ending[e]}
		st, err := e.status(ctx)
		if err != nil {
			st.Error = err.Error()
		}
		x.Status = st
		x.CatchUp = e.progress.at(sample{time.Now(), st.Acknowledged, st.Behind})
		s.Engines = append(s.Engines, x)
	}
	return s
}

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
