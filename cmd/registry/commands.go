package main

import (
	"fmt"

	upstream "github.com/distribution/distribution/v3/version"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "registry",
		Short:         "A container registry whose storage can be shared peer to peer",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versions(), // --version and -v, as upstream has them
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(serveCommand(), collectCommand(), ipfsCommand(), versionCommand(), healthcheckCommand(), prestopCommand(), manCommand())
	completeConfigs(root)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return root
}

func serveCommand() *cobra.Command {
	var undrain bool
	cmd := &cobra.Command{
		Use:   "serve <config>",
		Short: "Serve the registry until SIGTERM",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := readConfig(args)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), config, undrain)
		},
	}
	cmd.Flags().BoolVar(&undrain, "undrain", false, "let a registry stay that was being drained: for pods of Kubernetes, which are started again when they are to stay")
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this registry and of the distribution in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versions())
			return err
		},
	}
}

func versions() string {
	return fmt.Sprintf("distribution-ipfs %s, distribution %s", buildText(driver.ReadBuild()), upstream.Version())
}

// buildText is a build in words, as far as it is known: v1.2.3 (commit 4ca5caf, 2026-11-27T13:20:00Z).
func buildText(b driver.Build) string {
	switch {
	case b.Commit == "":
		return b.Version
	case b.Date == "":
		return fmt.Sprintf("%s (commit %s)", b.Version, b.Commit)
	default:
		return fmt.Sprintf("%s (commit %s, %s)", b.Version, b.Commit, b.Date)
	}
}
