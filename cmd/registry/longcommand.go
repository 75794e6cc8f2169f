package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// interruptible is the context of a command that may take long: it ends when the command is to end.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}

// readNamed reads the configuration of a command, and splits off what has to be named after it; what
// says what that is.
func readNamed(cmd *cobra.Command, args []string, what string) (p driver.Parameters, name string, rest []string, err error) {
	config, rest := configAnd(args)
	if len(rest) == 0 {
		return p, "", nil, fmt.Errorf("%s: name %s", commandName(cmd), what)
	}
	p, err = readParameters(config)
	return p, rest[0], rest[1:], err
}

// readOnlyNamed is readNamed where nothing more may be named.
func readOnlyNamed(cmd *cobra.Command, args []string, what string) (p driver.Parameters, name string, err error) {
	p, name, rest, err := readNamed(cmd, args, what)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%s: name %s, and nothing more", commandName(cmd), what)
	}
	return p, name, err
}

// printOne prints what came of a command, as JSON or as text.
func printOne[T any](out io.Writer, asJSON bool, v T, text func(io.Writer, T) error) error {
	if asJSON {
		return printJSON(out, v)
	}
	return text(out, v)
}
