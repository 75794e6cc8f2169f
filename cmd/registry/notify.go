package main

import (
	"context"
	"net"
	"net/http"
	"os"

	"github.com/sirupsen/logrus"
)

// tellSystemd has systemd told when clients are answered, where it started this process and waits for that
// (sd_notify(3)). Whoever asks before would be refused, and `systemctl start` would have returned.
func tellSystemd(server *http.Server) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	server.BaseContext = func(net.Listener) context.Context { // called once, when it listens
		if err := notify(socket, "READY=1"); err != nil {
			logrus.WithError(err).Warn("systemd is not told that clients are answered, and may go on waiting")
		}
		return context.Background()
	}
}

func notify(socket, state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(state))
	return err
}
