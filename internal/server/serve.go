package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers requests on l until ctx ends, then lets those at work finish
// and closes the server. It returns nil after such an end, else what prevented
// listening.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// From the headers to the last byte of an answer; tails are exempt.
		WriteTimeout: 10 * time.Minute,
		// A query of the greatest length, each byte of it escaped, must be read
		// to be refused with a sentence.
		MaxHeaderBytes: 4 << 20,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.ShutdownDeadline)
	defer cancel()
	err := errors.Join(s.Close(deadline), h.Shutdown(deadline))
	if err != nil {
		h.Close()
		return err
	}
	<-ended
	return nil
}
