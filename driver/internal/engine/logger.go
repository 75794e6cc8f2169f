package engine

import (
	"context"
	"sync"

	golog "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/sirupsen/logrus"
)

// newLogger gives the log of the storage: the process's own, at a level of its own if that is
// not empty. The IPFS and libp2p libraries log one level quieter, because they recover by
// themselves from most of what they warn about. A process has one level for them: that of
// the storage opened last, except for libraries that log for the first time later, which
// have the level of the first storage.
//
// At the default level, info, nothing may repeat without end, so repetitive warnings of the
// libraries are left out there.
func newLogger(own string, last *trouble) *logrus.Entry {
	std := logrus.StandardLogger()
	level := std.GetLevel()
	out := std
	if wanted, err := logrus.ParseLevel(own); err == nil && wanted != level {
		level = wanted
		out = logrus.New()
		out.SetOutput(std.Out)
		out.SetFormatter(std.Formatter)
		out.SetLevel(level)
		out.AddHook(troubles{})
	}
	libraries := quieter(level)
	joinLogs.Do(func() {
		joinLibp2p(libraries)
		std.AddHook(troubles{})
	})
	golog.SetAllLoggers(libraries)
	if libraries == golog.LevelWarn {
		for _, name := range repetitive {
			_ = golog.SetLogLevel(name, golog.LevelError.String()) // fails for what is no level
		}
	}
	return out.WithContext(last.in(context.Background())).WithField("driver", "ipfs")
}

// repetitive are those of the libraries' logs whose warnings repeat what an operator has
// already been told.
var repetitive = []string{
	"dht/RtRefreshManager", // that a registry without members finds none: every few minutes
	"net/identify",         // that a connection was lost: we say so of members
	"swarm2",               // that a name does not resolve, at each dial: we say so of bootstrappers
}

// joinLogs runs once: neither library guards what it sets, and one hook is enough of the process's log.
var joinLogs sync.Once

// joinLibp2p has libp2p log through go-log, as the IPFS libraries do, and gives a
// level to those parts of it that log for the first time later.
func joinLibp2p(level golog.LogLevel) {
	if _, asJSON := logrus.StandardLogger().Formatter.(*logrus.JSONFormatter); asJSON {
		cfg := golog.GetConfig()
		cfg.Format = golog.JSONOutput
		golog.SetupLogging(cfg)
	}
	gologshim.SetDefaultHandler(golog.SlogHandler())
	_ = golog.SetLogLevel("*", level.String()) // fails for what is no level
}

func quieter(level logrus.Level) golog.LogLevel {
	switch level {
	case logrus.TraceLevel:
		return golog.LevelDebug
	case logrus.DebugLevel:
		return golog.LevelInfo
	case logrus.InfoLevel:
		return golog.LevelWarn
	case logrus.WarnLevel:
		return golog.LevelError
	default:
		return golog.LevelDPanic
	}
}
