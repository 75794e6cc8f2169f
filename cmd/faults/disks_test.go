package main

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// TestADiskIsNotLostWithWhatMayBeThere: a delete that was answered with 503 leaves open whether its
// image is there, and the check at the end wants the image when the registries have it.
func TestADiskIsNotLostWithWhatMayBeThere(t *testing.T) {
	const layer, gone = "sha256:aaaa", "sha256:bbbb"
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
	may := map[string]bool{layer: true, gone: true}
	here, empty := swarm.Stock{layer: "file"}, swarm.Stock{}
	if digest, _ := only([]swarm.Stock{here, empty}, 0, nil, may); digest != layer {
		t.Errorf("its only copy would be lost, and what is noticed is %q", digest)
	}
	for _, stocks := range [][]swarm.Stock{{here, here}, {empty, here}, {empty, empty}} {
		if digest, of := only(stocks, 0, nil, may); digest != "" {
			t.Errorf("%v: nothing would be lost, and %s of %s is waited for", stocks, digest, of)
		}
	}
	must := map[string]string{gone: "team/app@" + image.Ref}
	if digest, of := only([]swarm.Stock{empty, empty}, 0, must, nil); digest != gone || of != must[gone] {
		t.Errorf("what has to be there is on no disk, and what is noticed is %q of %q", digest, of)
	}
}
