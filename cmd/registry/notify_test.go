package main_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestSystemdIsToldThatClientsAreAnswered: once, and not before.
func TestSystemdIsToldThatClientsAreAnswered(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = systemd.Close() }()
	p := newProcess(t, keygen(t))
	p.Env = append(p.Env, "NOTIFY_SOCKET="+socket)
	answers := make(chan error, 1) // of a client that comes when systemd has been told
	go func() {
		said := make([]byte, 100)
		n, err := systemd.Read(said)
		if err == nil && string(said[:n]) == "READY=1" {
			var conn net.Conn
			if conn, err = net.Dial("tcp", p.HTTP); err == nil {
				err = conn.Close()
			}
		}
		answers <- err
	}()
	p.start()
	if err := systemd.SetReadDeadline(time.Now().Add(time.Minute)); err != nil { // it is told before it answers anybody
		t.Fatal(err)
	}
	if err := <-answers; err != nil {
		t.Error(err)
	}
	if err := systemd.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := systemd.Read(make([]byte, 100)); err == nil {
		t.Errorf("told once more, %d bytes", n)
	}
}
