package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// notAsked says what to do when a running registry could not be asked by a command.
func notAsked(cmd *cobra.Command, p driver.Parameters, err error) error {
	switch {
	case errors.Is(err, driver.ErrNotRunning):
		return fmt.Errorf("ipfs %s: %w: no answer at %s; start it with `registry serve`", cmd.Name(), err, p.DatastorePath)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("ipfs %s: this user may not enter %s; run it as the registry's user: sudo -u %s %s", cmd.Name(), p.DatastorePath, ownerOf(p.DatastorePath), cmd.CommandPath())
	}
	return fmt.Errorf("ipfs %s: %w", cmd.Name(), err)
}

// ownerOf names the user to whom a directory belongs, if that can be found out.
func ownerOf(path string) string {
	info, err := os.Stat(path)
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
