package main

import (
	"context"
	"errors"
	"time"
)

// networkFaults come between agent and server.
func networkFaults() []*fault {
	wire := []string{"proxy"}
	answer := func(m func() *mode) func(context.Context, *world, func() error) error {
		return func(_ context.Context, w *world, inside func() error) error {
			w.proxy.set(m())
			err := inside()
			w.proxy.set(&mode{})
			return err
		}
	}
	return []*fault{
		{name: "answers 429", touches: wire, make: answer(func() *mode { return &mode{name: "too many", code: 429} })},
		{name: "answers 429 with Retry-After", touches: wire, make: answer(func() *mode { return &mode{name: "too many", code: 429, retry: "1"} })},
		{name: "answers 500", touches: wire, make: answer(func() *mode { return &mode{name: "broken", code: 500} })},
		{name: "answers 500, one in three", touches: wire, make: answer(func() *mode { return &mode{name: "broken", code: 500, every: 3} })},
		{name: "answers nothing", touches: wire, make: answer(func() *mode { return &mode{hang: make(chan struct{})} })},
		{name: "applies, then breaks", touches: wire, make: answer(func() *mode { return &mode{after: true} })},
		{name: "applies, then breaks, one in two", touches: wire, make: answer(func() *mode { return &mode{after: true, every: 2} })},
		{name: "server refuses connections", touches: wire, make: func(_ context.Context, w *world, inside func() error) error {
			w.proxy.away()
			return errors.Join(inside(), w.proxy.back())
		}},
		{name: "network cut", touches: []string{"proxy", "agent"}, make: cutNetwork, not: func(w *world) string { return w.host.cut }},
	}
}

// cutNetwork pulls the wire: packets vanish, nobody is told.
func cutNetwork(ctx context.Context, w *world, inside func() error) error {
	if err := w.host.net.connect(false); err != nil {
		return err
	}
	return errors.Join(inside(), pause(ctx, time.Second), w.host.net.connect(true))
}
