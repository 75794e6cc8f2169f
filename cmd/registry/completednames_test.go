package main

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestNoNameIsACommandOfTheShell that completes it: such a member is offered by its peer ID.
func TestNoNameIsACommandOfTheShell(t *testing.T) {
	for name, want := range map[string]string{
		"attic": "attic", "rack-2.example:5": "rack-2.example:5", "$(reboot)": "12D3", "a;reboot": "12D3", "-h": "12D3", "two words": "12D3", "": "12D3", "a`b`": "12D3",
	} {
		found := named([]driver.Member{{Name: name, PeerID: "12D3"}, {Name: "twice", PeerID: "x", Connected: true}}, isAway)
		if got, _, _ := strings.Cut(strings.Join(found, "|"), "\t"); len(found) != 1 || got != want {
			t.Errorf("%q is offered as %q", name, found)
		}
	}
}
