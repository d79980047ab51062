package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// page reaches the server's page the way that its manifest tells people.
func page(s *site, _ string) (verdict, error) {
	forward := exec.CommandContext(s.ctx, "kubectl", "-n", system, "port-forward", "svc/remora", "3000:3100")
	var said strings.Builder
	forward.Stderr = &said
	if err := forward.Start(); err != nil {
		return verdict{}, err
	}
	defer func() {
		_ = forward.Process.Kill()
		_ = forward.Wait()
	}()
	err := s.until("the page is there", time.Minute, func() error {
		answer, err := http.Get("http://127.0.0.1:3000/") //nolint:noctx // ends with the forward
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		if err == nil && (answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "<html")) {
			err = fmt.Errorf("status %d, %d bytes", answer.StatusCode, len(text))
		}
		return err
	})
	if err != nil && said.Len() > 0 {
		err = errors.Join(err, errors.New(said.String()))
	}
	return verdict{}, err
}
