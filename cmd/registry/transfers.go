package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func transfersCommand() *cobra.Command {
	var asJSON, follow, wide bool
	cmd := &cobra.Command{
		Use:   "transfers <config>",
		Short: "Show where blobs came from, what that cost, and what limited it",
		Long: "Show the transfers of blobs to this registry that are under way, and the last 1,000 that are over: who\n" +
			"asked, from whom the bytes came and by which road, what was waited for, and what limited it. With\n" +
			"--follow it goes on until it is interrupted: one line for each transfer that is over, and on a terminal\n" +
			"a bar for each that is under way. With --json, --follow prints one object a line.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if follow {
				return followTransfers(cmd, args, asJSON)
			}
			all, err := askFor(cmd, args, func(c *driver.Client, ctx context.Context) (driver.TransferStories, error) {
				return c.Transfers(ctx, 0)
			})
			if err != nil {
				return err
			}
			return printAnswer(cmd, asJSON, all, func(all driver.TransferStories) []section {
				return transfersSections(all, time.Now(), isTerminal(cmd.OutOrStdout()), wide)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	cmd.Flags().BoolVar(&wide, "wide", false, "print whole digests")
	return cmd
}

// followTransfers prints what the running registry tells until it is interrupted, or the registry
// stops.
func followTransfers(cmd *cobra.Command, args []string, asJSON bool) error {
	p, err := readParameters(args)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	out := cmd.OutOrStdout()
	shown := &transferLines{out: out, zone: time.Local}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		shown.size = func() (columns, rows int) { return terminalSize(f) }
	}
	tell := shown.tell
	if asJSON {
		lines := jsonEncoder(out)
		tell = func(all driver.TransferStories) error { return lines.Encode(all) }
	}
	var broken error // the output is
	_, err = askRunning(ctx, cmd, p, func() (driver.FollowedTransfers, error) {
		return driver.NewClient(p).FollowTransfers(ctx, 0, func(all driver.TransferStories) {
			if broken = tell(all); broken != nil {
				stop()
			}
		})
	})
	if broken != nil {
		return broken
	}
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
