package pathmap

import (
	"bufio"
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/multiformats/go-varint"
)

func framed(b []byte) []byte { return append(varint.ToUvarint(uint64(len(b))), b...) }

// aDelta is the CID of a delta.
func aDelta(t testing.TB, text string) cid.Cid {
	t.Helper()
	b, err := blockOf([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b.Cid()
}

// TestBombs: all that a member can have this package decode takes no more memory on the way, in
// KiB, than this, whatever it would be when it is decoded.
func TestBombs(t *testing.T) {
	fill := func(begin, each string, size int) []byte {
		return append([]byte(begin), bytes.Repeat([]byte(each), size/len(each))...)
	}
	reader := func(b []byte) byteReader { return bufio.NewReaderSize(bytes.NewReader(b), 16) }
	ask := func(b []byte) error { var req request; return readJSON(reader(b), &req) }
	answered := func(b []byte) error { _, err := readAnswer(reader(b)); return err }
	heads := func(b []byte) error { _, err := decodeHeads(b); return err }
	block := func(b []byte) error {
		raw, err := readFrame(reader(b), maxDelta)
		if err != nil {
			return err
		}
		bl, err := blockOf(raw)
		if err == nil {
			_, err = parseDelta(bl)
		}
		return err
	}
	long, err := multihash.Sum(bytes.Repeat([]byte("x"), 60<<10), multihash.IDENTITY, -1)
	if err != nil {
		t.Fatal(err)
	}
	inside := func(b []byte) []byte { return append([]byte{0x0a}, framed(b)...) } // a block's data
	link := `{"/":"` + aDelta(t, "x").String() + `"},`
	end := func(begin, each, end string, size int) []byte {
		return append(bytes.TrimSuffix(fill(begin, each, size), []byte(",")), end...)
	}
	for _, c := range []struct {
		what, who string
		bomb      []byte
		feed      func([]byte) error
		most      uint64
	}{
		{"a request of nothings", "a member", framed(end(`{"op":"deltas","want":[`, `{},`, `]}`, maxSaid-64)), ask, 1024},
		{"a request of nulls", "a member", framed(end(`{"op":"deltas","have":[`, `null,`, `]}`, maxSaid-64)), ask, 1024},
		{"a request of deltas", "a member", framed(end(`{"op":"deltas","want":[`, link, `]}`, maxSaid-64)), ask, 3072},
		{"a request that is said to be long", "a member", varint.ToUvarint(maxSaid), ask, 64},
		{"a request that is too long", "a member", varint.ToUvarint(1 << 60), ask, 16},
		{"an answer of heads", "a trusted member that was asked", framed(end(`{"heads":[`, link, `]}`, maxSaid-64)), answered, 3072},
		{"an answer that is too long", "a trusted member that was asked", varint.ToUvarint(maxSaid + 1), answered, 16},
		{"an announcement of heads", "a trusted member", fill("", "\x0a\x00", 64<<10), heads, 16},
		{"an announcement of a long head", "a trusted member", inside(inside(cid.NewCidV1(cid.Raw, long).Bytes())), heads, 512},
		{"a delta of parents", "a trusted member that was asked", framed(fill("", "\x12\x00", maxDelta)), block, 4096},
		{"a delta of changes", "a trusted member that was asked", framed(inside(fill("", "\x0a\x00", maxDelta-16))), block, 6144},
		{"a delta of deletes", "a trusted member that was asked", framed(inside(fill("", "\x12\x00", maxDelta-16))), block, 6144},
		{"a delta of a long key", "a trusted member that was asked", framed(inside(inside(inside(fill("", "\x01", maxDelta-64))))), block, 8192},
		{"a delta that is said to be long", "a trusted member that was asked", varint.ToUvarint(maxDelta), block, 64},
	} {
		t.Run(c.what, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := c.feed(c.bomb)
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took > c.most {
				t.Errorf("%d bytes of %s took %d KiB, more than %d: %.200s", len(c.bomb), c.who, took, c.most, err)
			}
			if err == nil {
				t.Error("it was taken")
			} else if len(err.Error()) > 1<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestLargestRequest: what is asked for and answered at most is taken.
func TestLargestRequest(t *testing.T) {
	var some deltas
	for i := range maxHeads {
		some = append(some, aDelta(t, strings.Repeat("x", i)))
	}
	var b bytes.Buffer
	if err := errors.Join(writeJSON(&b, request{Op: opDeltas, Want: some, Have: some, Page: maxPage}), writeJSON(&b, answer{Heads: some})); err != nil {
		t.Fatal(err)
	}
	var req request
	r := bufio.NewReader(&b)
	if err := readJSON(r, &req); err != nil || len(req.Want) != maxHeads || len(req.Have) != maxHeads || req.Want[maxHeads-1] != some[maxHeads-1] {
		t.Errorf("%d and %d are asked for: %v", len(req.Want), len(req.Have), err)
	}
	if a, err := readAnswer(r); err != nil || len(a.Heads) != maxHeads {
		t.Errorf("%d are answered: %v", len(a.Heads), err)
	}
	for _, size := range []int{0, 1, firstRead, firstRead + 1, 5*firstRead + 3, maxDelta} {
		frame := bytes.Repeat([]byte{byte(size)}, size)
		if got, err := readFrame(bytes.NewReader(framed(frame)), maxDelta); err != nil || !bytes.Equal(got, frame) {
			t.Errorf("a frame of %d bytes: %d, %v", size, len(got), err)
		}
	}
}

// TestMembersThatAreGoneAreForgotten, all but some, however many come under new names.
func TestMembersThatAreGoneAreForgotten(t *testing.T) {
	m := &Map{cfg: Config{ExchangeInterval: time.Millisecond}, firstHeads: newFirstHeads(), log: quietLog()}
	c := aDelta(t, "x")
	name := func(i int) peer.ID { return peer.ID(strings.Repeat("x", i)) }
	for i := range 2 * maxGone {
		m.firstHeads.await(name(i), deltas{c})
		m.last.expect(name(i), c)
		m.refuses(name(i), errBadDelta)
		m.taken.bar(name(i), errWrongState)
		m.unanswered.heard(name(i), time.Now())
		m.runs.hear(name(i), "run", time.Now().Add(-time.Hour), time.Millisecond)
		turn, err := m.turns.take(t.Context(), name(i), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		turn.bytes = 64 << 10
		turn.end()
		m.turns.rates[name(i)] = measured{1, time.Now().Add(-forget)}
	}
	here := []peer.ID{name(0), name(2*maxGone - 1)}
	m.forgetGone(here)
	if a, b, c, d := len(m.firstHeads.pending), len(m.last.announced), len(m.Refused()), len(m.taken.barred); a != maxGone+2 || b != a || c != a || d != a {
		t.Errorf("%d first heads, %d announcements, %d refusals, %d states that could not be taken are remembered", a, b, c, d)
	}
	if a, b, c := len(m.unanswered.of), len(m.runs.of), len(m.turns.rates); a != len(here) || b > 0 || c > 0 {
		t.Errorf("%d answers, %d runs, %d rates are remembered", a, b, c)
	}
	for _, id := range here {
		if _, ok := m.firstHeads.pending[id]; !ok || m.last.announced[id] == cid.Undef || !m.isRefused(id) {
			t.Errorf("of %d, who is here, something is forgotten", len(id))
		}
	}
}
