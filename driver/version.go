package driver

import "github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"

// Build identifies the build of this module that a program contains. What is not known is
// empty, but for the version.
type Build struct {
	Version string // a tag, a pseudo-version, or devel
	Commit  string // its hash, followed by -dirty when files were changed
	Date    string // of the commit, in UTC as in RFC 3339
}

// ReadBuild returns what the Makefile or the go command has stamped.
func ReadBuild() Build { return Build(build.Read()) }

// Version is the version of this module as it was built: a tag, or "devel".
func Version() string { return build.Read().Version }
