package driver_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
)

// TestHoldersThatPretend: five members say that they have each blob, and send nothing, a byte a
// second, or other bytes. An image is pulled all the same, whether or not they are trusted as much
// as the registry that has it. One that nobody has any more is not taken for one that they have.
func TestHoldersThatPretend(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]attacker.Holder{"mute": attacker.Mute, "dripping": attacker.Drip, "lying": attacker.Lie} {
		for _, trusted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, trusted %v", name, trusted), func(t *testing.T) {
				t.Parallel()
				a, b := besieged(t, how, trusted)
				img, err := random.Image(5<<20, 1)
				must(t, err)
				must(t, crane.Push(img, served(t, a)+"/a:1", crane.Insecure))
				drivertest.AwaitAgreement(t, a, b)
				host := served(t, b)
				pulled, err := crane.Pull(host+"/a:1", crane.Insecure)
				must(t, err)
				must(t, validate.Image(pulled))
				if trusted {
					return
				}
				other, err := random.Image(5<<20, 1) // beyond what counts as a manifest, and is fetched
				must(t, err)
				must(t, crane.Push(other, served(t, a)+"/a:2", crane.Insecure))
				image := newPushed(t, other)
				drivertest.AwaitAgreement(t, a, b)
				a.Stop()
				mustAsk(t, http.StatusNotFound, http.MethodHead, host, "/v2/a/blobs/"+image.layer.String())
			})
		}
	}
}

// besieged are two registries, and five members that pretend to hold what they are asked for. Where
// these are not trusted, the registries trust only each other.
func besieged(t *testing.T, how attacker.Holder, trusted bool) (a, b *drivertest.Member) {
	t.Helper()
	key := drivertest.Key(t)
	p, q := drivertest.Parameters(t, key), drivertest.Parameters(t, key)
	if !trusted {
		for _, of := range []driver.Parameters{p, q} {
			id, err := driver.Identify(t.Context(), of)
			must(t, err)
			p.TrustedPeers = append(p.TrustedPeers, id.PeerID)
		}
		q.TrustedPeers = p.TrustedPeers
	}
	a = drivertest.Start(t, p)
	q.Bootstrappers = a.Addresses()
	b = drivertest.Start(t, q)
	drivertest.AwaitMesh(t, a, b)
	target, err := attacker.TargetAt(b.Addresses()...)
	must(t, err)
	for i := range 5 {
		bad, err := attacker.New(attacker.Config{Key: key, Topic: "ipfs-registry", From: fmt.Sprintf("127.0.7.%d", 1+i)})
		must(t, err)
		t.Cleanup(bad.Close)
		_, err = bad.Holders(how)
		must(t, err)
		must(t, bad.Join(t.Context(), target))
		drivertest.Await(t, "it is a member", func() bool {
			_, err := bad.Meet(t.Context(), target)
			return err == nil
		})
	}
	return a, b
}
