package pathmap_test

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// earlier has a member go on as one of an earlier release, which signs nothing and checks nothing.
func earlier(s *seat) {
	s.stop()
	s.key = nil
	s.start()
}

// updated has a member go on as one of this release.
func updated(s *seat, key crypto.PrivKey) {
	s.stop()
	s.key = key
	s.start()
}

// TestWhatAnEarlierReleaseWroteIsSigned at the next start of this one, after a start that was killed in the midst, and
// once more when an earlier release was started in between: what adds versions, and all of these are the registry's own.
func TestWhatAnEarlierReleaseWroteIsSigned(t *testing.T) {
	f := newFabric(t)
	a, key := f.addSigning()
	earlier(a)
	other := f.add("other")
	for i := range 600 { // more than a step
		put(t, a, fmt.Sprintf("/a/%d", i%10), fmt.Sprint(i))
	}
	put(t, other, "/other", "of another")
	agree(t, a, other)
	del(t, a, "/a/1")
	agree(t, a, other)
	if n := signed(t, a); n != 0 {
		t.Fatalf("%d are signed", n)
	}
	a.disk.full.Store(true)
	updated(a, key)
	eventually(t, "it fails", func() bool { return len(a.warnings()) > 0 })
	a.disk.full.Store(false)
	for range 2 {
		updated(a, key)
		eventually(t, "all of its own are signed", func() bool { return signed(t, a) == 600 })
	}
	earlier(a)
	put(t, a, "/a/again", "by the earlier release")
	updated(a, key)
	eventually(t, "and the new one", func() bool { return signed(t, a) == 601 })
	updated(a, key)
	a.disk.blocksRead.Store(0)
	put(t, a, "/a/last", "of this one")
	agree(t, a, other)
	if n := signed(t, a); n != 602 {
		t.Errorf("%d are signed", n)
	}
	restartKeepsTheMap(t, a)
}

// TestWhatIsDoneIsNotReadAgain: a start reads none of the deltas that were left without a signature.
func TestWhatIsDoneIsNotReadAgain(t *testing.T) {
	f := newFabric(t)
	a, key := f.addSigning()
	other := f.add("other")
	for i := range 300 {
		put(t, other, fmt.Sprintf("/%d", i), "of another")
	}
	agree(t, a, other)
	other.stop()
	updated(a, key)
	eventually(t, "a look reads no delta", func() bool {
		a.disk.blocksRead.Store(0)
		a.m.SignOld()
		return a.disk.blocksRead.Load() < 20
	})
}

// TestAStartWithAnotherKeySignsNothingForGood: once the registry has its own key again, such as from a backup, what it
// wrote by an earlier release is signed all the same.
func TestAStartWithAnotherKeySignsNothingForGood(t *testing.T) {
	f := newFabric(t)
	a, key := f.addSigning()
	earlier(a)
	for i := range 10 {
		put(t, a, fmt.Sprintf("/a/%d", i), "old")
	}
	strange, id := f.newKey()
	a.self = id.String()
	updated(a, strange)
	a.m.SignOld()
	if n := signed(t, a); n != 0 {
		t.Fatalf("%d are signed by another key", n)
	}
	a.self = ""
	updated(a, key)
	a.m.SignOld()
	if n := signed(t, a); n != 10 {
		t.Errorf("%d of 10 are signed", n)
	}
}

// TestBundlesAreSigned: what follows too many heads and changes nothing is signed as well.
func TestBundlesAreSigned(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	put(t, a, "/first", "1")
	var paths []string
	for i := range 1100 {
		paths = append(paths, fmt.Sprintf("/%d", i))
	}
	if err := a.m.MergeSiblings("c", paths, entryOf(t, "1")); err != nil {
		t.Fatal(err)
	}
	if n := signed(t, a); n < 2 {
		t.Errorf("%d are signed", n)
	}
}
