package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// reloadFaults give the agent another configuration while it runs.
func reloadFaults() []*fault {
	return []*fault{
		{name: "reload", touches: []string{"agent", "proxy", "server", "state"}, make: reload},
		{name: "reload, mistaken", touches: []string{"agent"}, make: reloadMistaken},
	}
}

// configure writes the agent's configuration, each time another one: lines get its
// number, and those that are not wanted in it are dropped.
func (w *world) configure() error {
	w.configs++
	text := fmt.Appendf(nil, "metadata: {configuration: \"%d\"}\npipeline:\n  - drop: {regex: '%s'}\n", w.configs, w.unwanted("late"))
	return os.WriteFile(w.path("agent.yaml"), text, 0o644)
}

// unwanted is a line that the newest configuration drops, or dropped none before it.
func (w *world) unwanted(when string) string {
	return fmt.Sprintf("unwanted since %d, %s", w.configs, when)
}

// reload has the agent read its configuration, and looks for what comes of it: what
// was stored before stays, lines behind it are as the new one wants them.
func reload(ctx context.Context, w *world, inside func() error) error {
	f, err := w.probe()
	if err != nil {
		return err
	}
	defer f.close()
	w.configs++
	early, late := w.unwanted("early"), w.unwanted("late")
	w.configs--
	if err := errors.Join(f.write(), f.put([]byte(early+"\n"))); err != nil {
		return err
	}
	if err := w.stored(ctx, early, 1); err != nil {
		return err
	}
	if err := first(w.configure, func() error { return w.agent.signal(syscall.SIGHUP) }, inside); err != nil {
		return err
	}
	in := fmt.Sprintf(`%s |= "%s%d " | configuration="%d"`, selector, mark, f.id, w.configs)
	err = w.until(ctx, "lines of the new configuration", 20*time.Second, func() bool {
		n, err := w.number(ctx, `sum(count_over_time(`+in+` [`+window+`]))`)
		if n > 0 && err == nil {
			return true
		}
		_ = f.write()
		return pause(ctx, 200*time.Millisecond) != nil
	})
	if err != nil {
		w.table.wrong("%s: %v", w.now, err)
		return nil
	}
	if err := errors.Join(f.put([]byte(late+"\n")), f.write()); err != nil {
		return err
	}
	last := fmt.Sprintf("%s%d %d ", mark, f.id, f.lines-1)
	return first(
		func() error { return w.stored(ctx, last, 1) },
		func() error { return w.stored(ctx, late, 0) },
		func() error { return w.stored(ctx, early, 1) },
	)
}

// probe is a file for lines that a fault looks at.
func (w *world) probe() (*file, error) {
	name := fmt.Sprintf("worker-%s-09000000-%d.out", workerID(1<<22+len(w.writers.all())), 90000)
	return w.writers.open(w.writers.session(), name, plain, dotted(name))
}

// stored waits until a line is there as often as it must be.
func (w *world) stored(ctx context.Context, line string, times int) error {
	n := -1
	err := w.until(ctx, "as many lines as wanted", 20*time.Second, func() bool {
		var err error
		n, err = w.number(ctx, `sum(count_over_time(`+selector+` |= "`+line+`" [`+window+`]))`)
		return err == nil && n == times
	})
	if err != nil && ctx.Err() == nil {
		w.table.wrong("%s: %q is there %d times, not %d times", w.now, line, n, times)
		return nil
	}
	return err
}

// reloadMistaken gives the agent a configuration with a mistake: it says so and goes
// on with the one it has.
func reloadMistaken(ctx context.Context, w *world, inside func() error) error {
	good, err := os.ReadFile(w.path("agent.yaml"))
	if err != nil {
		return err
	}
	refused := w.metric("remora_agent_config_reloads_total", "failure")
	if err := os.WriteFile(w.path("agent.yaml"), append(good, "metdata: {a: b}\n"...), 0o644); err != nil {
		return err
	}
	if err := w.agent.signal(syscall.SIGHUP); err != nil {
		return err
	}
	err = w.until(ctx, "the mistake is told", 5*time.Second, func() bool {
		return w.metric("remora_agent_config_reloads_total", "failure") > refused
	})
	if err != nil && ctx.Err() == nil {
		w.table.wrong("%s: %v", w.now, err)
	}
	return errors.Join(inside(), os.WriteFile(w.path("agent.yaml"), good, 0o644), w.agent.signal(syscall.SIGHUP))
}

// metric is the sum of what the agent counts by a name, of those values that tell of
// a reason.
func (w *world) metric(name, reason string) (sum float64) {
	code, text := w.get(w.metrics + "/metrics")
	if code != http.StatusOK {
		return 0
	}
	of := regexp.MustCompile(`(?m)^` + name + `\{.*` + regexp.QuoteMeta(`"`+reason+`"`) + `.*\} (\S+)$`)
	for _, m := range of.FindAllStringSubmatch(text, -1) {
		v, _ := strconv.ParseFloat(m[1], 64)
		sum += v
	}
	return sum
}
