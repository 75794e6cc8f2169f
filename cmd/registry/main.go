// Command registry is distribution's registry with the storage driver "ipfs"
// compiled in, and the commands of its operator.
package main

import "os"

func main() {
	if err := rootCommand().Execute(); err != nil {
		failed(err)
		os.Exit(1)
	}
}
