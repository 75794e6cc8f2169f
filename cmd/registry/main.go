// Command registry is distribution's registry with the storage driver "ipfs"
// compiled in, and the commands of its operator.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := rootCommand().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "registry: "+strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}
