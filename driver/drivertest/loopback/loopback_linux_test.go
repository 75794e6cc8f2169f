package loopback

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNoPortIsGivenTwice, to whichever process.
func TestNoPortIsGivenTwice(t *testing.T) {
	const asks = 300 // of 900 in all, 22 would be given twice by chance
	if os.Getenv("LOOPBACK_ASKS") != "" {
		for range asks {
			addr, err := FreeAddr()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println("addr", addr)
		}
		fmt.Println("all")
		_, _ = os.Stdin.Read(make([]byte, 1)) // keeps them until the others have theirs
		return
	}
	given := map[string]bool{}
	for range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoPortIsGivenTwice$")
		cmd.Env = append(os.Environ(), "LOOPBACK_ASKS=1")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
		for {
			var what, addr string
			if _, err := fmt.Fscan(out, &what); err != nil || what == "all" {
				break
			}
			if what != "addr" {
				continue
			}
			if _, err := fmt.Fscan(out, &addr); err != nil || given[addr] || !strings.HasPrefix(addr, "127.0.0.1:") {
				t.Fatalf("given %q twice, or %v", addr, err)
			}
			given[addr] = true
		}
	}
	if len(given) != 3*asks {
		t.Errorf("%d ports were given, not %d", len(given), 3*asks)
	}
}

// TestAPortCanBeListenedOn, on loopback alone and on all addresses.
func TestAPortCanBeListenedOn(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "0.0.0.0", ""} {
		addr, err := FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(addr)
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
