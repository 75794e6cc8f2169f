package engine

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestWhoIsCertainToSign: whom it is asked of has to be here, and to have said so since it was connected: it may have been
// started again as an earlier release.
func TestWhoIsCertainToSign(t *testing.T) {
	for want, m := range map[string]peer.Member{
		"is away":         {Greeted: true, Capabilities: []string{signs}},
		"just been":       {Connected: true, Capabilities: []string{signs}},
		"earlier release": {Connected: true, Greeted: true, Capabilities: []string{revocable}},
		"":                {Connected: true, Greeted: true, Capabilities: []string{signs}},
	} {
		if why := uncertain(Member{Member: m}); !strings.Contains(why, want) || want == "" && why != "" {
			t.Errorf("%q, want %q", why, want)
		}
	}
}
