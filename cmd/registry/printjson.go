package main

import (
	"io"

	"github.com/spf13/cobra"
)

// printJSON is what commands print with --json.
func printJSON(out io.Writer, v any) error {
	enc := jsonEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printAnswer prints what a registry answered as JSON, or as tables.
func printAnswer[T any](cmd *cobra.Command, asJSON bool, answer T, tables func(T) []section) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	return printSections(cmd.OutOrStdout(), tables(answer))
}
