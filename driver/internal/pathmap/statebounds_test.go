package pathmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
)

// TestTheHeadOfAState: what becomes a part of a key can be one.
func TestTheHeadOfAState(t *testing.T) {
	h := stateHead{Heads: []cid.Cid{fuzzCID("a")}, Written: map[string]uint64{"12D3": 1}}
	if err := h.check(); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", "/", "a/", "a:b", strings.Repeat("a", maxKey+1)} {
		h.Written = map[string]uint64{id: 1}
		if err := h.check(); err == nil {
			t.Errorf("%.20q is no writer", id)
		}
	}
	if of := greatest([]*delta{{changes: []change{{version: version{1, ".abcdefgh"}}}}}); len(of) > 0 {
		t.Errorf("%v: a version of nobody", of)
	}
}

// TestAStateBeyondItsHistory is not taken: no change could follow it.
func TestAStateBeyondItsHistory(t *testing.T) {
	of := func(highest, counter uint64) error {
		k := taking{rest: true, names: 5, highest: highest, head: stateHead{Counter: counter}}
		return k.check(&stateSum{Digest: k.total[:], Names: 5, Deltas: k.deltas[:]})
	}
	if err := of(5, 5*maxJump); err != nil {
		t.Error(err)
	}
	for _, err := range []error{of(6, 1), of(1<<63, 1), of(5, 6*maxJump), of(5, maxCounter)} {
		if !errors.Is(err, errWrongState) {
			t.Error(err)
		}
	}
}

// TestPagesThatAreNamed fit a request, however long their keys are.
func TestPagesThatAreNamed(t *testing.T) {
	for _, long := range []string{"a", strings.Repeat("<", maxEnd-8)} {
		var pages []takenPage
		for i := range 2 * maxHad {
			pages = append(pages, takenPage{hadPage: hadPage{fmt.Sprintf("%08d%s", i, long), make([]byte, 32)}})
		}
		had := hadOf(pages)
		b, err := json.Marshal(request{Op: opState, Had: had})
		if err != nil || len(b) > maxSaid || len(had) == 0 || len(had) > maxHad || len(long) == 1 && len(had) < maxHad {
			t.Errorf("%d pages in %d bytes: %v", len(had), len(b), err)
		}
	}
}
