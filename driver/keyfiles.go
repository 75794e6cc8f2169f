package driver

import "github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"

// KeyFile is a file that the parameters name for a key.
type KeyFile struct {
	Name    string // of the parameter
	Path    string
	Exposed bool  // every user of this machine can read or replace it
	Trouble error // why the registry will not start with it; nil: it will
}

// KeyFiles are those of these parameters, whether a registry runs on them or not. Nothing is made
// that is missing.
func KeyFiles(p Parameters) (files []KeyFile) {
	for _, f := range engine.KeyFiles(p.config()) {
		files = append(files, KeyFile(f))
	}
	return files
}
