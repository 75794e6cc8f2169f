package driver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestOnlySoManyMembersAreLabels: of more there are metrics of those that matter most.
func TestOnlySoManyMembersAreLabels(t *testing.T) {
	at := func(minute int) time.Time { return time.Unix(int64(60*minute), 0) }
	all := []driver.Member{
		{PeerID: "lost early", Trusted: true, Since: at(1)},
		{PeerID: "here late", Connected: true, Trusted: true, Since: at(9)},
		{PeerID: "stranger", Connected: true, Since: at(1)},
		{PeerID: "lost late", Trusted: true, Since: at(8)},
		{PeerID: "here early", Connected: true, Trusted: true, Since: at(2)},
	}
	for most, want := range map[int]string{
		5: "lost early, here late, stranger, lost late, here early",
		4: "here early, here late, stranger, lost late",
		1: "here early",
	} {
		var got []string
		for _, m := range driver.Labeled(all, most) {
			got = append(got, m.PeerID)
		}
		if is := strings.Join(got, ", "); is != want {
			t.Errorf("%d of them: %s, not %s", most, is, want)
		}
	}
	if all[0].PeerID != "lost early" {
		t.Error("the list itself was sorted")
	}
}
