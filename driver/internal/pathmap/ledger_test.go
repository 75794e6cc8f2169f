package pathmap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

// TestLedgerQueriesSeeTheTransaction: whatever was put and deleted, a query in
// the transaction answers as the store does after the commit, and after a
// discard as before it.
func TestLedgerQueriesSeeTheTransaction(t *testing.T) {
	db, err := datastore.Open(t.TempDir(), logrus.NewEntry(logrus.New()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	l := &ledger{base: db}
	rng := rand.New(rand.NewPCG(1, 2))
	queries := []query.Query{
		{Prefix: "/a"}, {Prefix: "/a", KeysOnly: true}, {Prefix: "/a/b"}, {Prefix: "/"}, {},
		{Prefix: "/ab", Offset: 1, Limit: 2},
	}
	dirs := []string{"/a", "/ab", "/a/b", "/c"}
	for round := range 60 {
		before := answers(t, l, queries)
		if err := l.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(12) {
			k := ds.NewKey(fmt.Sprintf("%s/%d", dirs[rng.IntN(len(dirs))], rng.IntN(5)))
			if rng.IntN(3) == 0 {
				err = l.Delete(t.Context(), k)
			} else {
				err = l.Put(t.Context(), k, fmt.Append(nil, round))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		want := answers(t, l, queries)
		if round%3 == 0 {
			l.discard(t.Context())
			want = before
		} else if err := l.commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := answers(t, l, queries); !slices.Equal(got, want) {
			t.Fatalf("round %d: in the transaction %v, after it %v", round, want, got)
		}
	}
}

func answers(t *testing.T, l *ledger, queries []query.Query) []string {
	t.Helper()
	var out []string
	for _, q := range queries {
		res, err := l.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := res.Rest()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Key+"="+string(e.Value))
		}
		out = append(out, "end")
	}
	return out
}
