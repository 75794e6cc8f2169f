package main

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheTableOfKeys compares it with testdata/rotate-key.txt.
func TestTheTableOfKeys(t *testing.T) {
	peer := func(end string) string { return "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj" + end }
	requireGolden(t, "rotate-key.txt", keyChangeSections(driver.KeyChange{
		Stage: "first round", Next: "set protectorkeynext on barn; before it is started, give the keys that the others have by then to cellar (away), " +
			"or forget it (`registry ipfs forget`)",
		Registries: []driver.KeyHolder{
			{PeerID: peer("4kx6nXTN"), Name: "attic", State: "this one", Keys: "both"},
			{PeerID: peer("aaaabbbb"), Name: "barn", State: "connected", Keys: "old"},
			{PeerID: peer("ccccdddd"), Name: "cellar", State: "away", Keys: "unknown"},
		},
	}, false))
}
