package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/remora-ray/remora/test/loopback"
)

// Small files that turn over all the time: some generations are deleted by Ray
// while they are being followed, none sooner than some 10 s after their end.
const (
	rotationBytes   = 20000
	rotationBackups = 16
)

// cluster is one start of Ray: one session.
type cluster struct {
	name      string // of the session
	python    string // bin directory
	dashboard string // its URL
	jobs      bool   // the dashboard answers: it takes jobs
	gcs       string // address
	truth     string // directory of what user code says it wrote
	env       []string
	head      *process
	client    http.Client
}

// startRay starts a head in root and waits until it takes work.
func (r *run) startRay(ctx context.Context, root, truth string) (*cluster, error) {
	if err := os.MkdirAll(truth, 0o755); err != nil {
		return nil, err
	}
	ports, err := loopback.Ports(4)
	if err != nil {
		return nil, err
	}
	// Ray replaces 127.0.0.1 by the address of some network card.
	const ip = "127.0.0.2"
	c := &cluster{
		python: r.python, dashboard: "http://127.0.0.1:" + ports[1], gcs: ip + ":" + ports[0], truth: truth,
		client: http.Client{Timeout: 20 * time.Second},
		env: []string{
			r.mark,
			"RAY_USAGE_STATS_ENABLED=0", "RAY_AUTH_MODE=disabled",
			"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=5",
			"RAY_ROTATION_MAX_BYTES=" + strconv.Itoa(rotationBytes),
			"RAY_ROTATION_BACKUP_COUNT=" + strconv.Itoa(rotationBackups),
			"PYTHONPATH=" + filepath.Join(r.dir, "scripts"),
			"PYTHONDONTWRITEBYTECODE=1",
			"TMPDIR=" + r.path("tmp"),
			"REMORA_E2E_TRUTH=" + truth,
		},
	}
	c.head = &process{
		name: "ray", log: filepath.Join(r.dir, "ray.log"), env: c.env,
		args: []string{
			filepath.Join(r.python, "ray"), "start", "--head", "--block", "--temp-dir", root,
			"--node-ip-address", ip, "--port", ports[0], "--dashboard-host", "127.0.0.1", "--dashboard-port", ports[1],
			"--dashboard-agent-listen-port", ports[2], "--ray-client-server-port", ports[3],
			"--num-cpus", "4", "--object-store-memory", "80000000", "--disable-usage-stats",
		},
	}
	r.processes = append(r.processes, c.head)
	if err := c.head.start(); err != nil {
		return nil, err
	}
	return c, c.await(ctx, root)
}

// await waits until Ray's processes are up. Where the dashboard does not come up
// in time the cluster does without it, and so without a job server.
func (c *cluster) await(ctx context.Context, root string) error {
	_ = until(ctx, "ray's dashboard", 60*time.Second, func() bool {
		var v struct {
			Session string `json:"session_name"`
		}
		if c.call(ctx, http.MethodGet, "/api/version", nil, &v) == nil {
			c.name, c.jobs = v.Session, true
		}
		return c.jobs || len(c.head.deaths()) > 0
	})
	if died := c.head.deaths(); len(died) > 0 {
		return errors.New(died[0])
	}
	if c.jobs {
		return nil
	}
	link, err := os.Readlink(filepath.Join(root, "session_latest"))
	c.name = filepath.Base(link)
	return err
}

// stop ends Ray as a pod's end does.
func (c *cluster) stop() error { return c.head.signal(syscall.SIGTERM, 60*time.Second) }

func (c *cluster) call(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.dashboard+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %.200s", path, resp.Status, text)
	}
	return json.Unmarshal(text, into)
}

// submit runs the work through Ray's job server and waits for its end.
func (c *cluster) submit(ctx context.Context, id, script string, work []string) error {
	vars := map[string]string{"REMORA_E2E_SUBMISSION": id}
	for _, v := range work {
		name, value, _ := bytes.Cut([]byte(v), []byte("="))
		vars[string(name)] = string(value)
	}
	request := map[string]any{
		"entrypoint":    filepath.Join(c.python, "python") + " " + script,
		"submission_id": id,
		"runtime_env":   map[string]any{"env_vars": vars},
	}
	var answer struct{ Status, Message string }
	// The dashboard answers before its agent can take jobs.
	err := until(ctx, "submit job "+id, 60*time.Second, func() bool {
		return c.call(ctx, http.MethodPost, "/api/jobs/", request, &answer) == nil
	})
	if err != nil {
		return err
	}
	err = until(ctx, "end of job "+id, 3*time.Minute, func() bool {
		_ = c.call(ctx, http.MethodGet, "/api/jobs/"+id, nil, &answer)
		return answer.Status == "SUCCEEDED" || answer.Status == "FAILED" || answer.Status == "STOPPED"
	})
	if err == nil && answer.Status != "SUCCEEDED" {
		err = fmt.Errorf("job %s %s: %s", id, answer.Status, answer.Message)
	}
	return err
}

// drive runs the work from a driver of our own, outside of the job server.
func (c *cluster) drive(ctx context.Context, script, log string, work []string) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, filepath.Join(c.python, "python"), script)
	cmd.Env = append(append(append(os.Environ(), c.env...), work...), "RAY_ADDRESS="+c.gcs)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	return nil
}
