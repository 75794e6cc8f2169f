package pathmap_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// newKey makes a key, and gives the peer ID of its registry.
func (f *fabric) newKey() (crypto.PrivKey, peer.ID) {
	f.t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	return key, id
}

// addSigning adds a member that has the name of its key.
func (f *fabric) addSigning() (*seat, crypto.PrivKey) {
	f.t.Helper()
	key, id := f.newKey()
	return f.addAs(id.String(), key, ""), key
}

// signed counts the signatures that a member keeps.
func signed(t testing.TB, s *seat) int {
	t.Helper()
	res, err := s.disk.TxnDatastore.Query(t.Context(), query.Query{Prefix: ds.NewKey("/paths/signed").String(), KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := res.Rest()
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestSignaturesTravel with what they sign, to those who read newest first, oldest first and by state, also by way
// of others; they go with what is compacted, and changes without any, of a member of an earlier release, are
// merged beside them.
func TestSignaturesTravel(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	old := f.add("old")
	for i := range 400 { // more than is read newest first
		put(t, a, fmt.Sprintf("/a/%d", i%10), fmt.Sprint(i))
	}
	b, _ := f.addSigning()
	agree(t, a, b, old)
	put(t, old, "/old", "old")
	agree(t, a, b, old)
	put(t, a, "/a/last", "last")
	del(t, a, "/a/1")
	agree(t, a, b, old)
	f.isolate(a.id, true)
	c, _ := f.addSigning()
	f.isolate(old.id, true)
	agree(t, b, c)
	for _, s := range []*seat{a, b} {
		if n := signed(t, s); n != 402 {
			t.Errorf("%s has %d signatures", s.id, n)
		}
	}
	raw, err := b.m.SignatureOf(b.m.Heads()[0])
	if err != nil || raw == nil {
		t.Errorf("of the last change: %v, %v", raw, err)
	}
	if n := compact(t, b, c); n == 0 || signed(t, b) != 402-n && signed(t, b) != 403-n {
		t.Errorf("%d are compacted, %d signatures are left", n, signed(t, b))
	}
	f.states.Store(true)
	for _, s := range []*seat{b, c} {
		s.stop()
		s.start()
	}
	d, _ := f.addSigning()
	put(t, c, "/c", "c")
	agree(t, b, c, d)
	if n := signed(t, d); n == 0 {
		t.Error("none came after a state")
	}
}

// TestNobodySignsForAnother: a change that names another writer than who signed it is merged by nobody.
func TestNobodySignsForAnother(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	b, _ := f.addSigning()
	put(t, a, "/a", "of a")
	agree(t, a, b)
	_, key := f.addSigning()
	m := f.addAs("m", key, string(a.id))
	put(t, m, "/a", "forged")
	eventually(t, "both refuse it", func() bool {
		_, atA := a.m.Refused()[m.id]
		_, atB := b.m.Refused()[m.id]
		return atA && atB
	})
	put(t, b, "/b", "of b")
	agree(t, a, b)
	for _, s := range []*seat{a, b} {
		if !has(s, "/a", "of a", t) || !has(s, "/b", "of b", t) {
			t.Errorf("%s has another map", s.id)
		}
	}
}

// BenchmarkMerge is how long a registry that joins takes for each change of a history, with signatures and without.
func BenchmarkMerge(b *testing.B) {
	const changes = 2000
	for _, sign := range []bool{false, true} {
		b.Run(fmt.Sprintf("signed=%t", sign), func(b *testing.B) {
			f := newFabric(b)
			var a *seat
			if a = f.add("a"); sign {
				f.isolate(a.id, true)
				a, _ = f.addSigning()
			}
			for i := range changes {
				put(b, a, fmt.Sprintf("/a/%d", i%100), fmt.Sprint(i))
			}
			for i := 0; b.Loop(); i++ {
				o := f.add(fmt.Sprint("joins ", i))
				agree(b, a, o)
				b.StopTimer()
				o.stop()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*changes), "µs/change")
		})
	}
}
