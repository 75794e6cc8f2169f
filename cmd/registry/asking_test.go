package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhyARegistryWasNotAsked is said in words, not as an error of HTTP.
func TestWhyARegistryWasNotAsked(t *testing.T) {
	cmd := &cobra.Command{Use: "status"}
	p := driver.DefaultParameters()
	p.DatastorePath = t.TempDir()
	for cause, want := range map[error]string{
		context.DeadlineExceeded: "status: the registry runs, and does not answer in time: ask again; if it stays so, look at its log (context deadline exceeded)",
		context.Canceled:         "status: interrupted (context canceled)",
	} {
		if err := notAsked(cmd, p, fmt.Errorf("ask the running registry: Get \"http://registry/v1/status\": %w", cause)); err.Error() != want {
			t.Errorf("%v", err)
		}
	}
}
