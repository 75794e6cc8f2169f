package driver_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
)

// TestHeldSlotsHideNoPush: members that hold as many path exchanges as they are let, of one
// address, keep no registry from seeing what another one acknowledged.
func TestHeldSlotsHideNoPush(t *testing.T) {
	t.Parallel()
	members := drivertest.Cluster(t, 2)
	target, err := attacker.TargetAt(members[0].Addresses()...)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		p, err := attacker.New(attacker.Config{Key: members[0].Params.ProtectorKey, Topic: "ipfs-registry", From: "127.0.7.2"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		if err := p.Join(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		tally := p.Start(attacker.Slots(target, 16))
		drivertest.Await(t, "it holds an exchange, or may not", func() bool { return tally.Now()+tally.Refused() > 0 })
	}
	link := "sha256:" + strings.Repeat("a", 64)
	get := requestContext{t.Context(), map[string]any{"http.request.method": http.MethodGet, "vars.reference": "x"}}
	for i := range 5 {
		path := fmt.Sprintf("/docker/registry/v2/repositories/x/_manifests/tags/%d/current/link", i)
		put(t, members[0], path, link)
		drivertest.Await(t, "the push is visible", func() bool {
			_, err := members[1].Stat(get, path)
			if _, nowhere := errors.AsType[storagedriver.PathNotFoundError](err); nowhere {
				t.Fatal("what was acknowledged is said to be nowhere")
			}
			return err == nil
		})
	}
}
