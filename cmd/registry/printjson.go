package main

import (
	"encoding/json"
	"io"
)

// printJSON is what commands print with --json.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
