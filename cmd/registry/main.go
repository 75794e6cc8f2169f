// Command registry is distribution's registry with the storage driver "ipfs" compiled in, and
// its operator's commands.
//
//	registry serve config.yml
//	registry ipfs status config.yml
//	registry ipfs verify config.yml team/app:1
//
// The configuration is distribution's, with a block `storage: ipfs:` (docs/configuration.md).
//
// Limits: a proxy whose content expires is refused on shared storage. Only the datastore's owner, or root, can ask the running registry.
package main

import (
	"errors"
	"os"
)

func main() {
	if err := rootCommand().Execute(); err != nil {
		if status := exitStatus(0); errors.As(err, &status) {
			os.Exit(int(status))
		}
		failed(err)
		os.Exit(1)
	}
}
