// Package build tells which build of this module is running: its version, its commit and
// the commit's date, so that two builds of one commit are the same, byte by byte.
//
//	fmt.Println(build.Read().Version) // v1.2.3, or devel between releases
//
// The Makefile stamps them. Otherwise the go command's own stamp counts.
//
// Limits: the go command stamps all three in a checkout, but only the version in an installed
// module (go install …@v1.2.3) and in a program that imports this one, and nothing with
// -buildvcs=false: then the version is devel.
package build

import (
	"cmp"
	"runtime/debug"
)

const module = "github.com/distribution-ipfs/distribution-ipfs"

// Set by the Makefile (-ldflags -X); empty when the go command alone built this.
var version, commit, date string

// Info identifies a build. What is not known is empty, but for the version.
type Info struct {
	Version string // a tag, a pseudo-version, or devel
	Commit  string // its hash, followed by -dirty when files were changed
	Date    string // of the commit, in UTC as in RFC 3339
}

// Read returns what is known of this build.
func Read() Info {
	var stamp Info
	if info, ok := debug.ReadBuildInfo(); ok {
		stamp = read(info)
	}
	return Info{
		Version: cmp.Or(version, stamp.Version, "devel"),
		Commit:  cmp.Or(commit, stamp.Commit),
		Date:    cmp.Or(date, stamp.Date),
	}
}

// read returns what the go command stamped. Its commit and date are those of the main
// module, and so are only of this one when this one is the main module.
func read(info *debug.BuildInfo) Info {
	if info.Main.Path != module {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return Info{Version: known(dep.Version)}
			}
		}
		return Info{}
	}
	stamp, dirty := Info{Version: known(info.Main.Version)}, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			stamp.Commit = s.Value
		case s.Key == "vcs.time":
			stamp.Date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	stamp.Commit += dirty
	return stamp
}

func known(version string) string {
	if version == "(devel)" {
		return ""
	}
	return version
}
