package driver

import (
	golog "github.com/ipfs/go-log/v2"
	"github.com/sirupsen/logrus"
)

// newLogger gives the driver's log: distribution's own, at the level of
// `loglevel` where that is set. The IPFS and libp2p libraries log one level
// quieter, because most of what they warn of they mend themselves.
func newLogger(p Parameters) *logrus.Entry {
	std := logrus.StandardLogger()
	level := std.GetLevel()
	out := std
	if wanted, err := logrus.ParseLevel(p.LogLevel); err == nil && wanted != level {
		level = wanted
		out = logrus.New()
		out.SetOutput(std.Out)
		out.SetFormatter(std.Formatter)
		out.SetLevel(level)
	}
	golog.SetAllLoggers(quieter(level))
	return out.WithField("driver", Name)
}

func quieter(level logrus.Level) golog.LogLevel {
	switch level {
	case logrus.TraceLevel, logrus.DebugLevel:
		return golog.LevelInfo
	case logrus.InfoLevel:
		return golog.LevelError // warnings of theirs are our information, and repeat
	case logrus.WarnLevel:
		return golog.LevelError
	default:
		return golog.LevelDPanic
	}
}
