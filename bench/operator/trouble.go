package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// troubled is how long clusters took to be ready, without and with others in trouble.
type troubled struct {
	name          string
	without, with []time.Duration // the 99th of a hundred, a round each
}

const (
	inTrouble = 5 // clusters of either kind
	workersOf = 2 // of each cluster beside them
	apart     = 100 * time.Millisecond
)

// trouble measures how much clusters in trouble keep others waiting. Some of them have
// a manifest that is wrong, the others never get ready; all are changed once a second.
func (o *options) trouble(ctx context.Context, c contender) (_ *troubled, err error) {
	s, err := o.open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	t := &troubled{name: c.name}
	for round := range o.rounds {
		for _, with := range []bool{round%2 == 0, round%2 != 0} { // in turn, as the machine changes
			// Names of their own, so that nothing of a round is in the way of the next.
			p99, err := s.round(ctx, fmt.Sprintf("%d-%v", round, with), o.others, with)
			if err != nil {
				return nil, err
			}
			if with {
				t.with = append(t.with, p99)
			} else {
				t.without = append(t.without, p99)
			}
		}
	}
	return t, nil
}

// round makes clusters one after the other and tells how long the slowest but a
// hundredth of them took.
func (s *stage) round(ctx context.Context, name string, n int, with bool) (time.Duration, error) {
	var bad []string
	changing, stop := context.WithCancel(ctx)
	changed := make(chan error, 1)
	if with {
		wrong, dead := namesOf("wrong-"+name, inTrouble), namesOf(neverReady+"-"+name, inTrouble)
		bad = append(wrong, dead...)
		if err := errors.Join(s.make(ctx, wrong, 1, 2), s.make(ctx, dead, workersOf, 0)); err != nil {
			stop()
			return 0, err
		}
		if err := s.untilPods(ctx, dead, 1+workersOf); err != nil { // making them is no trouble
			stop()
			return 0, err
		}
	}
	go func() { changed <- s.change(changing, bad) }()
	p99, err := s.oneByOne(ctx, namesOf("other-"+name, n))
	stop()
	return p99, errors.Join(err, <-changed, s.remove(ctx, bad))
}

// untilPods waits until each of the clusters has so many pods.
func (s *stage) untilPods(ctx context.Context, names []string, each int) error {
	return until(ctx, "clusters in trouble have their pods", func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		have := 0
		for _, of := range s.there {
			if slices.Contains(names, of) {
				have++
			}
		}
		return have == len(names)*each, s.failed
	})
}

func (s *stage) oneByOne(ctx context.Context, names []string) (time.Duration, error) {
	began := map[string]time.Time{}
	for _, name := range names {
		began[name] = time.Now()
		if err := s.make(ctx, []string{name}, workersOf, 0); err != nil {
			return 0, err
		}
		if err := sleep(ctx, apart); err != nil {
			return 0, err
		}
	}
	if err := s.untilReady(ctx, names); err != nil {
		return 0, err
	}
	ready, err := s.readyOf(names)
	if err != nil {
		return 0, err
	}
	var took []time.Duration
	for name, at := range ready {
		took = append(took, at.Sub(began[name]))
	}
	return quantile(took, 0.99), s.remove(ctx, names)
}

// change has clusters looked at again once a second.
func (s *stage) change(ctx context.Context, names []string) error {
	for i := 0; ; i++ {
		if err := sleep(ctx, time.Second); err != nil {
			return nil // that is its end
		}
		for _, name := range names {
			patch := fmt.Appendf(nil, `{"metadata": {"annotations": {"note": "%d"}}}`, i)
			_, err := s.dynamic.Resource(clusters).Namespace(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("change %s: %w", name, err)
			}
		}
	}
}

// quantile of times; of none 0.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

func (t *troubled) report(w io.Writer) {
	without, with := quantile(slices.Clone(t.without), 0.5), quantile(slices.Clone(t.with), 0.5)
	moved := with.Seconds()/without.Seconds() - 1
	fmt.Fprintf(w, "\n%s: 99 of 100 clusters are ready within %.2f s, beside %d in trouble within %.2f s: %+.1f %%\n",
		t.name, without.Seconds(), 2*inTrouble, with.Seconds(), 100*moved)
	fmt.Fprintf(w, "  rounds without %.2v, with %.2v\n", seconds(t.without), seconds(t.with))
	if t.name == ours {
		fmt.Fprintf(w, "  %s\n", verdict(moved, 0.05))
	}
}

func seconds(all []time.Duration) []float64 {
	var s []float64
	for _, d := range all {
		s = append(s, d.Seconds())
	}
	return s
}
