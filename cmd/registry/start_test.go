package main_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestStartIntroducesTheRegistry in one line at level info, with what another one
// needs to join.
func TestStartIntroducesTheRegistry(t *testing.T) {
	p := newProcess(t, keygen(t), "pubsubtopic: team").start()
	s := p.status()
	log, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), `msg="ipfs storage is open"`); n != 1 {
		t.Fatalf("it introduced itself %d times:\n%s", n, log)
	}
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, `msg="ipfs storage is open"`) {
			continue
		}
		for _, want := range []string{
			"level=info", "peer=" + s.PeerID, `addresses="[` + s.Addresses[0] + `]"`, "/p2p/" + s.PeerID, "topic=team", "network=private",
			"datapath=" + p.Data, `join="give another registry this protector key and one of the addresses as bootstrappers"`,
		} {
			if !strings.Contains(line, want) {
				t.Errorf("does not say %s:\n%s", want, line)
			}
		}
	}
}

// TestTermLetsARequestEnd stops the registry while a client reads a blob slowly.
func TestTermLetsARequestEnd(t *testing.T) {
	p := newProcess(t, keygen(t))
	p.Env = append(p.Env, "REGISTRY_HTTP_DRAINTIMEOUT=2m")
	p.start()
	content, path := layer(t, p, 64*mib) // more than sockets hold
	resp, err := http.Get("http://" + p.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	first := make([]byte, mib)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "nobody new is served", func() bool {
		conn, err := net.Dial("tcp", p.HTTP)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(append(first, rest...), content) {
		t.Fatalf("%d bytes of %d came: %v", len(first)+len(rest), len(content), err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}
