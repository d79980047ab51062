package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ensureRay finds or makes the virtual environment with that version of Ray in
// the user's cache directory, and returns its bin directory.
func ensureRay(ctx context.Context, version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache for Ray: %w", err)
	}
	home := filepath.Join(cache, "remora", "ray-"+version)
	bin := filepath.Join(home, "bin")
	if exec.CommandContext(ctx, filepath.Join(bin, "python"), "-c", "import ray").Run() == nil {
		return bin, nil
	}
	fmt.Printf("installing Ray %s into %s\n", version, home)
	for _, args := range [][]string{
		{"python3", "-m", "venv", "--clear", home},
		{filepath.Join(bin, "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "ray[default]==" + version},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("install Ray %s (%s): %w", version, args[0], err)
		}
	}
	return bin, nil
}
