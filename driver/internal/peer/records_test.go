package peer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ipfs/go-datastore"
)

// TestRecordsOfALaterReleaseStay: one that this release cannot read as it is, and of one
// that it can the field that it does not know.
func TestRecordsOfALaterReleaseStay(t *testing.T) {
	a, b, c := newStation(t), newStation(t), newStation(t)
	key := func(s *station) datastore.Key { return datastore.NewKey("/peer/members/" + s.id(t).String()) }
	const later = `{"version":2,"where":"here"}`
	records := map[*station]string{b: later, c: `{"version":1,"addrs":[],"seen":"2026-10-01T12:00:00Z","zone":"north"}`}
	for s, record := range records {
		if err := a.store.Put(t.Context(), key(s), []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	a.start(t, nil)
	for s := range records {
		s.start(t, via(a.info(t, stripped(t, a)...)))
	}
	meet(t, a, b, c)
	eventually(t, "the member is written down", func() bool {
		v, err := a.store.Get(t.Context(), key(c))
		return err == nil && strings.Contains(string(v), "127.0.0.1")
	})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one is away", func() bool { return !a.IsMember(b.id(t)) })
	if err := a.Forget(t.Context(), b.id(t)); err == nil {
		t.Error("a record that this release cannot read was deleted")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := a.store.Get(t.Context(), key(b)); err != nil || string(v) != later {
		t.Errorf("what a later release wrote became %s, %v", v, err)
	}
	v, err := a.store.Get(t.Context(), key(c))
	var fields map[string]any
	if err != nil || json.Unmarshal(v, &fields) != nil || fields["zone"] != "north" || fields["version"] != 1.0 {
		t.Errorf("the field of a later release: %s, %v", v, err)
	}
}
