package main

import (
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestWhoDoesNotHearOfARevocation is named: who is away, was never met, or is of an earlier release.
func TestWhoDoesNotHearOfARevocation(t *testing.T) {
	at := time.Now()
	understands := []string{"replicas", revocation}
	var out strings.Builder
	err := printUnaware(&out, driver.KnownMembers{Members: []driver.KnownMember{
		{PeerID: "12D3KooWattic", Name: "attic", State: "connected", Trusted: true, Capabilities: understands},
		{PeerID: "12D3KooWbarn", Name: "barn", State: "connected", Trusted: true, Capabilities: []string{"replicas"}},
		{PeerID: "12D3KooWcellar", Name: "cellar", State: "away", Trusted: true, Capabilities: understands},
		{PeerID: "12D3KooWdock", State: "never met", Trusted: true},
		{PeerID: "12D3KooWelm", Name: "elm", State: "away"},
		{PeerID: "12D3KooWfarm", Name: "farm", State: "revoked", Revoked: &at},
	}})
	const want = `barn is of an earlier release, and goes on as before: update it, or use allowedpeers
cellar is away: it hears of this from the first member that it meets again
12D3KooWdock was never met here: it hears of this from the first member that it meets
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}
