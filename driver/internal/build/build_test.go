package build

import (
	"runtime/debug"
	"testing"
)

func TestGoCommandStamps(t *testing.T) {
	const hash, time = "4ca5cafd0c6d3cf2ab2b9e5a1f0f21ee7f6a5d0e", "2026-11-27T13:20:00Z"
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: hash}, {Key: "vcs.time", Value: time}, {Key: "vcs.modified", Value: modified}}
	}
	for name, c := range map[string]struct {
		info debug.BuildInfo
		want Info
	}{
		"a checkout of a release": {
			debug.BuildInfo{Main: debug.Module{Path: module, Version: "v1.2.3"}, Settings: vcs("false")},
			Info{"v1.2.3", hash, time},
		},
		"a checkout with changes": {
			debug.BuildInfo{Main: debug.Module{Path: module, Version: "v1.2.4-0.20261127132000-4ca5cafd0c6d+dirty"}, Settings: vcs("true")},
			Info{"v1.2.4-0.20261127132000-4ca5cafd0c6d+dirty", hash + "-dirty", time},
		},
		"go install":      {debug.BuildInfo{Main: debug.Module{Path: module, Version: "v1.2.3"}}, Info{Version: "v1.2.3"}},
		"-buildvcs=false": {debug.BuildInfo{Main: debug.Module{Path: module, Version: "(devel)"}}, Info{}},
		"a program that imports it": {
			debug.BuildInfo{Main: debug.Module{Path: "example.org/registry", Version: "v9.9.9"}, Deps: []*debug.Module{{Path: module, Version: "v1.2.3"}}, Settings: vcs("false")},
			Info{Version: "v1.2.3"},
		},
	} {
		if got := read(&c.info); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestTheMakefilesStampWins(t *testing.T) {
	version, commit, date = "v1.2.3", "4ca5caf", "2026-11-27T13:20:00Z"
	t.Cleanup(func() { version, commit, date = "", "", "" })
	if got := Read(); got != (Info{"v1.2.3", "4ca5caf", "2026-11-27T13:20:00Z"}) {
		t.Errorf("%+v", got)
	}
	version = ""
	if got := Read(); got.Version != "devel" || got.Commit != "4ca5caf" {
		t.Errorf("between releases: %+v", got)
	}
}
