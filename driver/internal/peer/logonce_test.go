package peer

import (
	"fmt"
	"testing"
)

// TestMessagesOfOneKindHideNoOthers: however many peers there are of whom the same is to be said.
func TestMessagesOfOneKindHideNoOthers(t *testing.T) {
	var o logOnce
	said := 0
	for i := range 3 * logOnceLimit {
		if o.first("trust", fmt.Sprint(i)) {
			said++
		}
	}
	if said != logOnceLimit || o.first("trust", "0") {
		t.Errorf("%d messages are logged", said)
	}
	if !o.first("remember") || o.first("remember") {
		t.Error("another one is not logged once")
	}
}
