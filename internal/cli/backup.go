package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/store/backup"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// backupCommand copies all that a server keeps.
func (a *app) backupCommand() *cobra.Command {
	b := backing{app: a, output: newChoice("text", "json")}
	cmd := &cobra.Command{
		Use:   "backup TARGET",
		Short: "Copy all that a server keeps, while it runs, to a directory or bucket",
		Long: `Copy all that a server keeps, while it runs, to a directory or to a bucket of S3's
API: lines, what is committed of each file, and requests to delete, as they were at
one moment.

It runs on the server's machine, as its user, with its data directory. A later
backup to the same target copies only what is new; each one can be restored alone.
Every file has a checksum, which "remora restore" verifies.

A bucket is s3://BUCKET or s3://BUCKET/PREFIX, with AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and AWS_REGION, a file of credentials, or the machine's role.`,
		Example: `  remora backup /mnt/backups/remora --data /var/lib/remora
  remora backup /mnt/backups/remora --data /var/lib/remora --keep 7
  remora backup s3://logs/remora --data /var/lib/remora --s3-endpoint https://minio:9000`,
		Args: exactly(1, "the TARGET, a directory or s3://BUCKET/PREFIX"),
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&b.data, "data", "", "data directory of the server")
	b.addEndpoint(cmd)
	cmd.Flags().IntVar(&b.keep, "keep", 0, "remove all but so many backups of the target afterwards (default keep all)")
	b.output.add(cmd, "output", "how to print the summary")
	_ = cmd.MarkFlagDirname("data")
	cmd.AddCommand(a.verifyCommand())
	return cmd
}

// verifyCommand reads backups back.
func (a *app) verifyCommand() *cobra.Command {
	b := backing{app: a, output: newChoice("text", "json")}
	cmd := &cobra.Command{
		Use:   "verify TARGET",
		Short: "Read backups back and compare every checksum",
		Long: `Read all that the backups of a target hold and compare every checksum. What is
damaged or missing is named; removed from the target, the next backup copies it anew
for as long as the server has it.`,
		Example: `  remora backup verify /mnt/backups/remora
  remora backup verify s3://logs/remora --s3-endpoint https://minio:9000
  remora backup verify /mnt/backups/remora --backup 2026-11-21T19-40-05Z`,
		Args: exactly(1, "the TARGET that was given to \"remora backup\""),
		RunE: func(cmd *cobra.Command, args []string) error { return b.verify(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&b.name, "backup", "", "only this one (default all)")
	b.addEndpoint(cmd)
	b.output.add(cmd, "output", "how to print the summary")
	return cmd
}

func (b *backing) verify(ctx context.Context, at string) error {
	target, err := b.target(at)
	if err != nil {
		return err
	}
	p := newProgress(b.app, "verify", 0)
	s, err := backup.Verify(ctx, target, b.name, told(p))
	p.end()
	switch {
	case errors.Is(err, backup.ErrNone):
		return notFoundf("%s holds no backup", at)
	case errors.Is(err, fs.ErrNotExist):
		return &notFoundError{err}
	case err != nil:
		return err
	}
	if b.output.value == "json" {
		return json.NewEncoder(b.stdout).Encode(s)
	}
	fmt.Fprintf(b.stdout, "%s in %s read, every checksum right\n", sizeText(s.Bytes), plural(s.Files, "file"))
	return nil
}

// restoreCommand brings a backup back.
func (a *app) restoreCommand() *cobra.Command {
	b := backing{app: a, output: newChoice("text", "json")}
	cmd := &cobra.Command{
		Use:   "restore TARGET",
		Short: "Bring a backup back into an empty data directory",
		Long: `Bring a backup back into an empty data directory, with the checksum of every file
verified. The directory is there only when all of it is right.

A server that is started on it goes on from the moment of the backup: agents send
again what it does not have, for as long as their files are there.`,
		Example: `  remora restore /mnt/backups/remora --data /var/lib/remora
  remora restore /mnt/backups/remora --list
  remora restore /mnt/backups/remora --data d --backup 2026-11-21T19-40-05Z`,
		Args: exactly(1, "the TARGET that was given to \"remora backup\""),
		RunE: func(cmd *cobra.Command, args []string) error { return b.restore(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&b.data, "data", "", "data directory to bring it into; it must hold no store")
	cmd.Flags().StringVar(&b.name, "backup", "", "which backup (default the newest)")
	b.addEndpoint(cmd)
	cmd.Flags().BoolVar(&b.list, "list", false, "list the backups and restore none")
	b.output.add(cmd, "output", "how to print the summary")
	_ = cmd.MarkFlagDirname("data")
	return cmd
}

type backing struct {
	*app
	data, name string
	endpoint   string // of S3
	keep       int
	list       bool
	output     *choice
}

func (b *backing) addEndpoint(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.endpoint, "s3-endpoint", "", "URL of the server of S3's API (AWS_ENDPOINT_URL; default Amazon's)")
}

func (b *backing) run(ctx context.Context, at string) error {
	if b.data == "" {
		return usagef("needs the data directory of the server: --data DIR")
	}
	if b.keep < 0 {
		return usagef("--keep %d: want 1 or more, or 0 to keep all", b.keep)
	}
	if err := exist([]string{b.data}); err != nil {
		return err
	}
	target, err := b.target(at)
	if err != nil {
		return err
	}
	unlock, err := backup.Lock(ctx, target, b.now)
	if err != nil {
		return err
	}
	defer func() {
		if err := unlock(); err != nil {
			b.notice("remora backup: %s", err)
		}
	}()
	dir, release, err := b.snapshot(ctx)
	if err != nil {
		return err
	}
	defer release()
	p := newProgress(b.app, "backup", 0)
	s, err := backup.Write(ctx, dir, target, b.now(), told(p))
	p.end()
	if err != nil {
		return err
	}
	var removed []string
	if b.keep > 0 {
		if removed, err = backup.Prune(ctx, target, b.keep); err != nil {
			return fmt.Errorf("backup %s is there, older ones were not removed: %w", s.Name, err)
		}
	}
	if b.output.value == "json" {
		return json.NewEncoder(b.stdout).Encode(s)
	}
	fmt.Fprintf(b.stdout, "backup %s: %s in %s, %s of it new\n", s.Name, sizeText(s.Bytes), plural(s.Files, "file"), sizeText(s.Copied))
	if len(removed) > 0 {
		fmt.Fprintf(b.stdout, "removed %s\n", plural(len(removed), "older backup"))
	}
	return nil
}

// snapshot is that of the server, or of the store itself where none runs.
func (b *backing) snapshot(ctx context.Context) (dir string, release func(), err error) {
	dir, release, err = heldSnapshot(ctx, b.data)
	if !errors.Is(err, errNoServer) {
		return dir, release, err
	}
	path := filepath.Join(b.data, "store")
	if _, err := os.Stat(filepath.Join(path, "VERSION")); err != nil {
		return "", nil, notFoundf("%s holds no store: --data names the data directory of a server", b.data)
	}
	store, err := embedded.Open(embedded.Config{Dir: path, MaxDiskPercent: 100})
	if err != nil {
		return "", nil, err
	}
	dir, err = store.TakeSnapshot(ctx)
	if err != nil {
		return "", nil, errors.Join(err, store.Close())
	}
	return dir, func() {
		if err := errors.Join(os.RemoveAll(dir), store.Close()); err != nil {
			b.notice("remora backup: close the store: %s", err)
		}
	}, nil
}

func (b *backing) restore(ctx context.Context, at string) error {
	if b.data == "" && !b.list {
		return usagef("needs the data directory to bring it into: --data DIR")
	}
	target, err := b.target(at)
	if err != nil {
		return err
	}
	if b.list {
		return b.names(ctx, target, at)
	}
	if err := os.MkdirAll(b.data, 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	p := newProgress(b.app, "restore", 0)
	s, err := backup.Restore(ctx, target, b.name, filepath.Join(b.data, "store"), told(p))
	p.end()
	if errors.Is(err, backup.ErrNone) {
		return notFoundf("%s holds no backup", at)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &notFoundError{err}
	}
	if err != nil {
		return err
	}
	if b.output.value == "json" {
		return json.NewEncoder(b.stdout).Encode(s)
	}
	fmt.Fprintf(b.stdout, "restored backup %s: %s in %s, every checksum right\n", s.Name, sizeText(s.Bytes), plural(s.Files, "file"))
	fmt.Fprintf(b.stdout, "serve it: remora server --data %s\n", b.data)
	return nil
}

func (b *backing) names(ctx context.Context, target backup.Target, at string) error {
	names, err := backup.Names(ctx, target)
	if err != nil {
		return err
	}
	if b.output.value == "json" {
		return json.NewEncoder(b.stdout).Encode(append([]string{}, names...))
	}
	if len(names) == 0 {
		return notFoundf("%s holds no backup", at)
	}
	fmt.Fprintln(b.stdout, strings.Join(names, "\n"))
	return nil
}

// target is where backups are kept; not within what is copied.
func (b *backing) target(at string) (backup.Target, error) {
	if strings.Contains(at, "://") {
		c, err := backup.ParseS3(at)
		if err != nil {
			return nil, &usageError{err}
		}
		c.Endpoint = first(b.endpoint, b.getenv("AWS_ENDPOINT_URL"))
		c.Region = first(b.getenv("AWS_REGION"), b.getenv("AWS_DEFAULT_REGION"))
		target, err := c.Open()
		if err != nil {
			return nil, &usageError{err}
		}
		return target, nil
	}
	if b.data != "" {
		store, err := filepath.Abs(filepath.Join(b.data, "store"))
		if err != nil {
			return nil, err
		}
		abs, err := filepath.Abs(at)
		if err != nil {
			return nil, err
		}
		if abs == store || strings.HasPrefix(abs, store+string(filepath.Separator)) {
			return nil, usagef("target %s lies within the store: give another directory, best on another disk", at)
		}
	}
	return backup.Directory(at), nil
}

// told makes a progress of ours take what several goroutines tell.
func told(p *progress) backup.Progress {
	var mu sync.Mutex
	return func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		p.total = total
		p.set(done, "")
	}
}
