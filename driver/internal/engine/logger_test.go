package engine_test

import (
	"log/slog"
	"testing"

	golog "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// ipfsLogs is the lowest level at which a library of IPFS logs.
func ipfsLogs(name string) string {
	for _, level := range []golog.LogLevel{golog.LevelDebug, golog.LevelInfo, golog.LevelWarn, golog.LevelError} {
		if golog.Logger(name).LevelEnabled(level) {
			return level.String()
		}
	}
	return "none"
}

// libp2pLogs is the same of a part of libp2p, which has another way to log.
func libp2pLogs(t *testing.T, name string) string {
	for level, text := range map[slog.Level]string{slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warn", slog.LevelError: "error"} {
		if log := gologshim.Logger(name); log.Enabled(t.Context(), level) && !log.Enabled(t.Context(), level-4) {
			return text
		}
	}
	return "none"
}

func TestLibrariesLogOneLevelQuieter(t *testing.T) {
	for level, want := range map[string]struct{ all, repetitive string }{
		"debug": {"info", "info"},
		"info":  {"warn", "error"},
		"warn":  {"error", "error"},
		"error": {"none", "none"},
	} {
		t.Run(level, func(t *testing.T) {
			p := drivertest.Parameters(t, drivertest.Key(t))
			p.LogLevel = level
			all := func() map[string]string {
				return map[string]string{"crdt": ipfsLogs("crdt"), "dht": ipfsLogs("dht"), "basichost": libp2pLogs(t, "basichost")}
			}
			all() // what logs for the first time later has the level of the process's first storage
			drivertest.Start(t, p)
			for name, got := range all() {
				if got != want.all {
					t.Errorf("%s logs from %q, not from %q", name, got, want.all)
				}
			}
			for name, got := range map[string]string{"dht": ipfsLogs("dht/RtRefreshManager"), "identify": libp2pLogs(t, "net/identify"), "swarm2": libp2pLogs(t, "swarm2")} {
				if got != want.repetitive {
					t.Errorf("what is repetitive of %s is logged from %q, not from %q", name, got, want.repetitive)
				}
			}
		})
	}
}

// TestLibrariesFollowTheLogLevelOfTheRegistry where the storage has none of its own.
func TestLibrariesFollowTheLogLevelOfTheRegistry(t *testing.T) {
	before := logrus.GetLevel()
	t.Cleanup(func() { logrus.SetLevel(before) })
	logrus.SetLevel(logrus.DebugLevel)
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.LogLevel = ""
	drivertest.Start(t, p)
	if got := ipfsLogs("crdt"); got != "info" {
		t.Errorf("crdt logs from %q, not from info", got)
	}
}
