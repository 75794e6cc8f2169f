package main

import "io"

// printJSON is what commands print with --json.
func printJSON(out io.Writer, v any) error {
	enc := jsonEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
