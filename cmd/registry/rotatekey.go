package main

import (
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func rotateKeyCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "rotate-key <config>",
		Short: "Show how far a change of the protector key is, and what is next",
		Long: "Show which of the registries has which protector key while the swarm changes from one to another, and what to do next.\n" +
			"It changes nothing: the keys are in the configuration of each registry, as protectorkey and protectorkeynext.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := askFor(cmd, args, (*driver.Client).KeyChange)
			if err != nil {
				return err
			}
			return printAnswer(cmd, asJSON, change, func(change driver.KeyChange) []section { return keyChangeSections(change, wide) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "print whole peer IDs")
	return cmd
}

// keyChangeSections are who has which key, and what is next.
func keyChangeSections(change driver.KeyChange, wide bool) []section {
	var all, next section
	all.title, next.title = "PROTECTOR KEYS  "+change.Stage, "NEXT"
	all.row("NAME", "PEER", "STATE", "KEYS")
	for _, r := range change.Registries {
		id := shortID(r.PeerID)
		if wide {
			id = r.PeerID
		}
		all.row(orDash(r.Name), id, r.State, r.Keys)
	}
	next.row(change.Next)
	return []section{all, next}
}
