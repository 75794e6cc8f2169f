package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const askTimeout = 30 * time.Second

func ipfsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ipfs", Short: "Commands for storage shared peer to peer"}
	cmd.AddCommand(keygenCommand(), idCommand(), statusCommand(), doctorCommand(), forgetCommand(), revokeCommand(),
		drainCommand(), undrainCommand(), verifyCommand(), whereCommand(), duCommand(), diffCommand(),
		transfersCommand(), traceCommand(), peersCommand(), membersCommand(), rotateKeyCommand(), requireSignaturesCommand(),
		logCommand(), importCommand(), hostsCommand(), exportCommand(), backupCommand(), restoreCommand())
	return onlySubcommands(cmd)
}

// asking reads which registry a command asks, and bounds how long it waits for the answer.
func asking(cmd *cobra.Command, args []string) (context.Context, context.CancelFunc, driver.Parameters, error) {
	p, err := readParameters(args)
	if err != nil {
		return nil, nil, p, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	return ctx, cancel, p, nil
}

func keygenCommand() *cobra.Command {
	var swarmKey bool
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Print a new protector key, in hex",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := driver.NewProtectorKey()
			if err != nil {
				return err
			}
			if swarmKey {
				_, err = fmt.Fprint(cmd.OutOrStdout(), driver.FormatSwarmKey(key))
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
			return err
		},
	}
	cmd.Flags().BoolVar(&swarmKey, "swarm-key", false, "print it as a swarm.key file, as Kubo has it")
	return cmd
}

func idCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "id <config>",
		Short: "Print this registry's peer ID and the addresses others bootstrap with",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel, p, err := asking(cmd, args)
			if err != nil {
				return err
			}
			defer cancel()
			id, err := askOrRead(ctx, cmd, p,
				func() (driver.Identity, error) { return driver.NewClient(p).Identity(ctx) },
				func() (driver.Identity, error) { return driver.Identify(ctx, p) })
			if err != nil {
				return err
			}
			for _, line := range append([]string{id.PeerID}, id.Addresses...) {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func statusCommand() *cobra.Command {
	var asJSON, wide, swarm bool
	cmd := &cobra.Command{
		Use:   "status <config>",
		Short: "Show the state of the running registry and of its swarm",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if swarm {
				return showSwarm(cmd, args, asJSON, wide)
			}
			status, err := askFor(cmd, args, (*driver.Client).Status)
			if err != nil {
				return err
			}
			return printAnswer(cmd, asJSON, status, func(s driver.Status) []section { return statusSections(s, wide) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "print whole peer IDs and all known addresses")
	cmd.Flags().BoolVar(&swarm, "swarm", false, "ask all registries of the swarm, and show them in one table")
	return cmd
}
