package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke <config> <member>",
		Short: "Shut a registry out of the swarm for good",
		Long: "Shut a registry out of the swarm for good: all registries refuse its connections and what it says, from when\n" +
			"each hears of it. What it pushed until then stays. It is named by its peer ID, the end of that, or its name, and may be\n" +
			"connected. This cannot be undone: it may come back with a new private key, unless allowedpeers says otherwise.\n" +
			"Registries that do not hear of it yet, or never, are named.",
		Args:              afterConfig(1, "the member, as `registry ipfs members` lists it"),
		ValidArgsFunction: completeAfterConfig(1, members(anyMember)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := aboutMember(cmd, args, "revoked", (*driver.Client).Revoke); err != nil {
				return err
			}
			known, err := askFor(cmd, args[:len(args)-1], func(c *driver.Client, ctx context.Context) (driver.KnownMembers, error) { return c.Members(ctx) })
			if err != nil {
				return fmt.Errorf("it is revoked, but who does not hear of that is not known: %w", err)
			}
			return printUnaware(cmd.OutOrStdout(), known)
		},
	}
}

// revocation is the capability of those that go by revocations.
const revocation = "revocation"

// printUnaware names those that go on as before: for now, or until they are updated.
func printUnaware(to io.Writer, known driver.KnownMembers) error {
	for _, m := range known.Members {
		what := ""
		switch {
		case m.Revoked != nil || !m.Trusted:
		case m.State == "never met":
			what = "was never met here: it hears of this from the first member that it meets"
		case !slices.Contains(m.Capabilities, revocation):
			what = "is of an earlier release, and goes on as before: update it, or use allowedpeers"
		case m.State != "connected":
			what = "is away: it hears of this from the first member that it meets again"
		}
		if what == "" {
			continue
		}
		if _, err := fmt.Fprintf(to, "%s %s\n", printable(cmp.Or(m.Name, m.PeerID)), what); err != nil {
			return err
		}
	}
	return nil
}
