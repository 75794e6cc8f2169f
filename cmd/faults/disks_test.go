package main

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

func there(name) bool { return false }
func gone(name) bool  { return true }

// TestADiskIsNotLostWithWhatMayBeThere: a delete that was answered with 503 leaves open whether its
// image is there, and the check at the end wants the image when the registries have it.
func TestADiskIsNotLostWithWhatMayBeThere(t *testing.T) {
	const layer, other = "sha256:aaaa", "sha256:bbbb"
	b, image, at := book.New(), book.Name{Repo: "team/app", Ref: "sha256:1111"}, book.Seat{}
	push := b.Push(image, image.Ref, at)
	push.Sent(1)
	push.Acknowledged()
	refused := b.Delete(image, book.Seat{Registry: 1})
	refused.Sent(1)
	refused.Failed()
	if may := b.May(image); !may.Is(image.Ref) || !may.Nothing {
		t.Fatalf("it is not left open: %s", may)
	}
	may := map[string][]name{layer: {image}, other: {image}}
	here, empty := swarm.Stock{layer: "file"}, swarm.Stock{}
	if digest, _ := only([]swarm.Stock{here, empty}, 0, wanted{may: may, gone: there}); digest != layer {
		t.Errorf("its only copy would be lost, and what is noticed is %q", digest)
	}
	for _, stocks := range [][]swarm.Stock{{here, here}, {empty, here}, {empty, empty}} {
		if digest, of := only(stocks, 0, wanted{may: may, gone: there}); digest != "" {
			t.Errorf("%v: nothing would be lost, and %s of %s is waited for", stocks, digest, of)
		}
	}
	must := map[string]string{other: "team/app@" + image.Ref}
	if digest, of := only([]swarm.Stock{empty, empty}, 0, wanted{must: must, gone: gone}); digest != other || of != must[other] {
		t.Errorf("what has to be there is on no disk, and what is noticed is %q of %q", digest, of)
	}
}

// TestGarbageIsNotWaitedFor: a delete that another registry acknowledged than took the push leaves
// open, too, whether the image is there. When no registry has it, nobody will ever fetch its blobs,
// and while clients push and delete, some disk is always the last that has garbage.
func TestGarbageIsNotWaitedFor(t *testing.T) {
	const layer = "sha256:aaaa"
	b, image := book.New(), book.Name{Repo: "team/app", Ref: "sha256:1111"}
	for _, op := range []*book.Op{b.Push(image, image.Ref, book.Seat{}), b.Delete(image, book.Seat{Registry: 1})} {
		op.Sent(1)
		op.Acknowledged()
	}
	if may := b.May(image); !may.Is(image.Ref) || !may.Nothing {
		t.Fatalf("it is not left open: %s", may)
	}
	stocks := []swarm.Stock{{layer: "file"}, {}}
	w := wanted{may: map[string][]name{layer: {image}}, gone: gone}
	if digest, of := only(stocks, 0, w); digest != "" {
		t.Errorf("%s of %s is waited for, which is garbage", digest, of)
	}
	kept := book.Name{Repo: "team/app", Ref: "sha256:2222"}
	w.may[layer] = append(w.may[layer], kept)
	w.gone = func(n name) bool { return n != kept }
	if digest, _ := only(stocks, 0, w); digest != layer {
		t.Error("a layer of an image that is there would be lost")
	}
	w = wanted{may: w.may, gone: gone, shared: map[string]bool{layer: true}}
	if digest, _ := only(stocks, 0, w); digest != layer {
		t.Error("a layer that a client might find would be lost")
	}
}
