package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// isStream reports whether a backup goes to standard output, or comes from standard input.
func isStream(name string) bool { return name == "-" }

// isTar reports whether a backup is one file: a stream, a name that ends so, or a file.
func isTar(name string) bool {
	info, err := os.Stat(name)
	if err != nil {
		return isStream(name) || strings.HasSuffix(name, ".tar")
	}
	return !info.IsDir()
}

// backUpTar writes a backup as a tar, to a file or to standard output.
func backUpTar(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.BackupOptions, to string) (driver.Backup, error) {
	if !isStream(to) {
		return backUpFile(ctx, cmd, p, o, to)
	}
	if f, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return driver.Backup{}, errors.New("ipfs backup: standard output is a terminal: send it to a file, or to another program")
	}
	return backUpStream(ctx, cmd, p, o, cmd.OutOrStdout())
}

// backUpFile writes a file that has its name when it is whole.
func backUpFile(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.BackupOptions, name string) (b driver.Backup, err error) {
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return b, fmt.Errorf("ipfs backup: %w", err)
	}
	b, err = backUpStream(ctx, cmd, p, o, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		return b, errors.Join(err, os.Remove(part))
	}
	b.Dir = name
	return b, syncDir(filepath.Dir(name))
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// backUpStream asks the running registry, or reads the datastore of a stopped one.
func backUpStream(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.BackupOptions, to io.Writer) (driver.Backup, error) {
	show := newMovingShow(cmd.ErrOrStderr())
	out := bufio.NewWriterSize(&telling{to: to, show: show}, 1<<20)
	b, err := askOrRead(ctx, cmd, p,
		func() (driver.Backup, error) { return driver.NewClient(p).BackupTar(ctx, o, out) },
		func() (driver.Backup, error) { return driver.BackupTarStopped(ctx, p, o, out) })
	if err == nil {
		err = out.Flush()
	}
	show.end()
	if err != nil && ctx.Err() != nil {
		return b, errors.New("ipfs backup: interrupted: there is no new backup")
	}
	return b, err
}

// telling tells how much is written through it.
type telling struct {
	to    io.Writer
	show  *movingShow
	bytes int64
}

// Write implements io.Writer.
func (t *telling) Write(b []byte) (int, error) {
	n, err := t.to.Write(b)
	t.bytes += int64(n)
	t.show.tell("wrote "+bytesText(t.bytes), t.bytes, 0)
	return n, err
}

// restoreTar restores a backup that is a tar, from a file or from standard input.
func restoreTar(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.RestoreOptions, from string) (driver.Restore, error) {
	in := cmd.InOrStdin()
	if !isStream(from) {
		f, err := os.Open(from)
		if err != nil {
			return driver.Restore{}, fmt.Errorf("ipfs restore: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	o.Tar = bufio.NewReaderSize(in, 1<<20)
	return restore(ctx, cmd, p, o)
}
