package driver

import "runtime/debug"

// Version is the version of this module as it was built: a tag, or "devel".
func Version() string {
	const module = "github.com/distribution-ipfs/distribution-ipfs"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if info.Main.Path == module && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "devel"
}
