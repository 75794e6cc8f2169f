package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func requireSignaturesCommand() *cobra.Command {
	var accept string
	cmd := &cobra.Command{
		Use:   "require-signatures <config>",
		Short: "Have all registries merge only changes that are signed, for good",
		Long: "Have all registries merge only changes of the path map that are signed by the registry that wrote them, but for what is merged\n" +
			"now. So nobody writes in the name of another. It is refused, and says who is in the way, as long as a registry that is known is\n" +
			"away, is of an earlier release, or does not give what it has. This cannot be undone.\n" +
			"A change that status says is waited for comes in when its registry is updated and started; with --accept this registry, and no\n" +
			"other one, merges it without a signature, or all that a member has now.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := askFor(cmd, args, func(c *driver.Client, ctx context.Context) (driver.Signatures, error) {
				return c.RequireSignatures(ctx, accept)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "signatures are required since %s, as %s was told\n",
				s.Since.UTC().Format(time.RFC3339), printable(cmp.Or(s.Name, s.By)))
			return err
		},
	}
	cmd.Flags().StringVar(&accept, "accept", "", "the CID of a change that this registry is to merge without a signature, or a member of which it is to merge all")
	return cmd
}
