package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget <config> <member>",
		Short: "Have the running registry forget a member that is away for good",
		Long: "Have the running registry forget a member that is away for good: it is no longer dialed or listed.\n" +
			"The member is named by its peer ID, the end of that, or its name. One that comes back is a member again.",
		Args:              afterConfig(1, "the member, as `registry ipfs status` lists it"),
		ValidArgsFunction: completeAfterConfig(1, members(isAway)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return aboutMember(cmd, args, "forgot", (*driver.Client).Forget)
		},
	}
}

// aboutMember has the running registry do something about a member, and says that it did.
func aboutMember(cmd *cobra.Command, args []string, done string, do func(*driver.Client, context.Context, string) (driver.Member, error)) error {
	config, name := args[:len(args)-1], args[len(args)-1]
	m, err := askFor(cmd, config, func(c *driver.Client, ctx context.Context) (driver.Member, error) { return do(c, ctx, name) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s\n", done, printable(m.Name), m.PeerID)
	return err
}
