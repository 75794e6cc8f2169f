package rendezvous

import (
	"fmt"
	"math"
	"testing"
)

// TestLotsOfAllReleases: members of other releases, and on other processors, have to draw the
// same.
func TestLotsOfAllReleases(t *testing.T) {
	for _, c := range []struct {
		member, key string
		want        Lot
	}{
		{"", "", 0x18f3697ac2b2b0}, // XXH64 of nothing is 0xef46db3751d8e999
		{"a", "", 0x489cd675104043},
		{"", "a", 0x489cd675104043},
		{"member 0", "key 0", 0x18c15bb5936fc39},
		{"member 1", "key 0", 0xd5af34855a1931},
		{"member 0", "key 1", 0x2346023aff8f476},
		{"\x00$\x08\x01\x12 0123456789abcdef0123456789abcdef", "\x01\x55\x12\x200123456789abcdef0123456789abcdef", 0x37b0ff820666d57},
	} {
		if got := Draw(c.member, c.key); got != c.want {
			t.Errorf("{%q, %q, %#x},", c.member, c.key, uint64(got))
		}
	}
	var sum uint64
	for _, v := range table {
		sum = sum*31 + v
	}
	if sum != 0xa666d4a7f8a56bdf {
		t.Errorf("the table has changed: %#x", sum)
	}
}

// TestLogarithm is compared with that of floating-point numbers.
func TestLogarithm(t *testing.T) {
	hashes := []uint64{0, 1, 2, 3, math.MaxUint64, math.MaxUint64 - 1, 1 << 63, 1<<63 - 1, 1<<63 + 1}
	for i := range uint64(100000) {
		hashes = append(hashes, i*0x9e3779b97f4a7c15, ^(i * i * i))
	}
	for _, h := range hashes {
		got := float64(lot(h)) / (1 << lotBits)
		want := 64 - math.Log2(float64(h|1))
		if h>>32 == 1<<32-1 { // where that would be 0
			want = float64(-h) / (1 << 64) / math.Ln2
		}
		if diff := math.Abs(got - want); lot(h) == 0 || diff > 3e-6 || diff > want*1.1e-3+1e-15 {
			t.Fatalf("%#x: %g, not %g", h, got, want)
		}
	}
}

// TestShares: each member comes first for a share of the keys that is its share of the weights.
func TestShares(t *testing.T) {
	const keys = 200000
	weights := []uint64{1, 1, 2, 3, 5, 8, 20}
	const total = 40
	names := members(len(weights))
	for _, unit := range []uint64{1, 1e12, math.MaxInt64 / total} {
		firsts := make([]int, len(weights))
		for k := range keys {
			best, lots, key := 0, [7]Lot{}, fmt.Sprint(k)
			for m := range weights {
				lots[m] = Draw(names[m], key)
				if lots[m].Before(weights[m]*unit, lots[best], weights[best]*unit) {
					best = m
				}
			}
			firsts[best]++
		}
		for m, n := range firsts {
			want := float64(keys) * float64(weights[m]) / total
			if math.Abs(float64(n)-want) > 4*math.Sqrt(want) {
				t.Errorf("member %d of weight %d came first %d times, not about %.0f", m, weights[m], n, want)
			}
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	var sum Lot
	for b.Loop() {
		sum += Draw("a peer ID of as many bytes as one has..", "a CID of as many bytes as one has...")
	}
	_ = sum
}
