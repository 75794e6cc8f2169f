package main

import (
	"context"
	"net"
	"net/http"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// tellSystemd has systemd told when clients are answered, where it started this process and waits for that
// (sd_notify(3)). Whoever asks before would be refused, and `systemctl start` would have returned.
func tellSystemd(server *http.Server) {
	server.BaseContext = func(net.Listener) context.Context { // called once, when it listens
		if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
			logrus.WithError(err).Warn("systemd is not told that clients are answered, and may go on waiting")
		}
		return context.Background()
	}
}
