package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// startGrace is how long a registry that was started just now may take to open its
// datastore.
const startGrace = 2 * time.Second

// askAgain is the pause between two questions to a registry that does not answer yet.
const askAgain = 100 * time.Millisecond

// askRunning asks the running registry. One that was started just now is waited for.
func askRunning[T any](ctx context.Context, cmd *cobra.Command, p driver.Parameters, ask func() (T, error)) (T, error) {
	for end := time.Now().Add(startGrace); ; {
		v, err := ask()
		if err == nil {
			return v, nil
		}
		if !errors.Is(err, driver.ErrNotRunning) || time.Now().After(end) || !pause(ctx) {
			return v, notAsked(cmd, p, err)
		}
	}
}

// askFor asks the running registry of a configuration, for askTimeout at most.
func askFor[T any](cmd *cobra.Command, args []string, ask func(*driver.Client, context.Context) (T, error)) (T, error) {
	ctx, cancel, p, err := asking(cmd, args)
	if err != nil {
		var none T
		return none, err
	}
	defer cancel()
	return askRunning(ctx, cmd, p, func() (T, error) { return ask(driver.NewClient(p), ctx) })
}

// askOrRead asks the running registry, and reads the disk itself when none runs. A registry
// that is starting has opened its datastore and does not answer yet: it is asked again.
func askOrRead[T any](ctx context.Context, cmd *cobra.Command, p driver.Parameters, ask, read func() (T, error)) (T, error) {
	for end := time.Now().Add(askTimeout); ; {
		v, err := ask()
		if err == nil {
			return v, nil
		}
		if !errors.Is(err, driver.ErrNotRunning) {
			return v, notAsked(cmd, p, err)
		}
		v, err = read()
		if errors.Is(err, driver.ErrOtherUser) {
			return v, notAsked(cmd, p, err)
		}
		if !errors.Is(err, driver.ErrInUse) || time.Now().After(end) || !pause(ctx) {
			return v, err
		}
	}
}

// pause waits a moment, and reports whether the command may still go on.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(askAgain):
		return true
	case <-ctx.Done():
		return false
	}
}

// notAsked says what to do when a running registry could not be asked by a command.
func notAsked(cmd *cobra.Command, p driver.Parameters, err error) error {
	switch {
	case errors.Is(err, driver.ErrNotRunning) && driver.InUse(p):
		return fmt.Errorf("%s: the registry is starting, and does not answer at %s yet: try again", commandName(cmd), absolute(p.DatastorePath))
	case errors.Is(err, driver.ErrNotRunning):
		return fmt.Errorf("%s: %w: no answer at %s; start it with `registry serve`", commandName(cmd), err, absolute(p.DatastorePath))
	case errors.Is(err, fs.ErrPermission):
		again := append([]string{cmd.CommandPath()}, cmd.Flags().Args()...)
		return fmt.Errorf("%s: %s belongs to another user; run this as the registry's user: sudo -u %s %s",
			commandName(cmd), p.DatastorePath, ownerOf(p.DatastorePath), strings.Join(again, " "))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: the registry runs, and does not answer in time: ask again; if it stays so, look at its log (%w)", commandName(cmd), context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: interrupted (%w)", commandName(cmd), context.Canceled)
	}
	return fmt.Errorf("%s: %w", commandName(cmd), err)
}

// commandName is a command as it is typed, without the program: ipfs status.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// absolute is a path that says where it is. One of a configuration may begin where this command runs.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// ownerOf names the user to whom a directory belongs, or the nearest one above it that this
// user may see.
func ownerOf(path string) string {
	info, err := os.Stat(path)
	for err != nil && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	if err != nil {
		return "<that user>"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "<that user>"
	}
	id := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id
}

// onlySubcommands refuses an argument that is none of a command's subcommands, and names
// the nearest one. Without an argument it prints the help.
func onlySubcommands(cmd *cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		err := fmt.Errorf("unknown command %q for %q; see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err = fmt.Errorf("unknown command %q for %q: did you mean %q?", args[0], cmd.CommandPath(), near[0])
		}
		return err
	}
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}
