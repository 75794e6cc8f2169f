package driver_test

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// aloneVar is set in the process that has a network of its own.
const aloneVar = "DISTRIBUTION_IPFS_TEST_ALONE"

// alone runs the test once more in a process whose network has nothing but loopback;
// true in that process.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVar) != "" {
		raiseLoopback(t)
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.short")
	cmd.Env = append(os.Environ(), aloneVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("no network of its own, which takes user namespaces: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.Bytes())
	}
	return false
}

func raiseLoopback(t *testing.T) {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(t, err)
	defer func() { _ = unix.Close(s) }()
	lo, err := unix.NewIfreq("lo")
	must(t, err)
	lo.SetUint16(unix.IFF_UP)
	must(t, unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo))
}

// TestPublicNetwork: without a protector key two registries find each other by
// bootstrappers of their own while IPFS's cannot be reached. trustedpeers must be set, and
// may be everybody.
func TestPublicNetwork(t *testing.T) {
	if !alone(t) {
		return
	}
	public := func(bootstrappers ...string) driver.Parameters {
		p := drivertest.Parameters(t, drivertest.Key(t))
		p.ProtectorKey, p.PubsubTopic, p.TrustedPeers, p.Bootstrappers = "", "of this test", []string{"*"}, bootstrappers
		return p
	}
	p := public()
	p.TrustedPeers = nil
	assertNewFails(t, p, "trustedpeers")

	a := drivertest.Start(t, public())
	b := drivertest.Start(t, public(a.Addresses()...))
	drivertest.AwaitMesh(t, a, b)
	content := randomBytes(t, 2<<20+3)
	for _, m := range [][2]*drivertest.Member{{a, b}, {b, a}} {
		content[0]++
		if !bytes.Equal(get(t, m[1], pushBlob(t, m[0], content)), content) {
			t.Error("other bytes arrived")
		}
		if s := m[0].Status(t.Context()); s.Network != "public" || len(s.DataAddresses) > 0 {
			t.Errorf("a %s network and data ports at %s: they are for members of a private one", s.Network, s.DataAddresses)
		}
	}
}
