package main

import (
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke <config> <member>",
		Short: "Shut a registry out of the swarm for good",
		Long: "Shut a registry out of the swarm for good: all registries refuse its connections and what it says, from when\n" +
			"each hears of it. What it pushed until then stays. It is named by its peer ID, the end of that, or its name, and may be\n" +
			"connected. This cannot be undone: it may come back with a new private key, unless allowedpeers says otherwise.",
		Args:              afterConfig(1, "the member, as `registry ipfs members` lists it"),
		ValidArgsFunction: completeAfterConfig(1, members(anyMember)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return aboutMember(cmd, args, "revoked", (*driver.Client).Revoke)
		},
	}
}
