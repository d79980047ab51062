package fleet

import (
	"log/slog"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/pipe"
)

// Piped are the outputs of a configuration that take standard input, as a source of
// the name config.Stdin.
func Piped(c *config.Config, o Options) ([]pipe.Output, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Output = &shared{w: o.Output}
	var all []pipe.Output
	for _, s := range planOf(c, []config.Source{{Name: config.Stdin}}) {
		conf, err := s.agentConfig(&o, o.Logger)
		if err != nil {
			return nil, err
		}
		all = append(all, pipe.Output{Name: s.Output.Name, Conf: conf})
	}
	return all, nil
}
