package pathmap

import (
	"encoding/hex"
	"testing"
)

// oldDelta is the block of a delta that adds /docker/a by the peer "writer", as releases
// wrote it before a writer had an incarnation.
const oldDelta = "0a5d0a590a232f662f646f636b65722f613a303030303030303030303030303030312d7772697465721a32" +
	"010a2401551220dd56de4137951d9c92681b03416ec15f886b4482a27e3a517d32f085244cbe5d10061905002a36fe9c97171801"

const oldDeltaCID = "bafybeifm6pngwr74fglpzapbye2bsvtwzrjbv4xhrt5sq26ju6tor2pejq"

func TestDeltasWithoutIncarnationsAreRead(t *testing.T) {
	raw, err := hex.DecodeString(oldDelta)
	if err != nil {
		t.Fatal(err)
	}
	b, err := blockOf(raw)
	if err != nil || b.Cid().String() != oldDeltaCID {
		t.Fatalf("the block is %s: %v", b.Cid(), err)
	}
	d, err := parseDelta(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.changes) != 1 || d.priority != 1 || len(d.parents) != 0 {
		t.Fatalf("%d changes, priority %d, %d parents", len(d.changes), d.priority, len(d.parents))
	}
	if c := d.changes[0]; c.path != "/docker/a" || c.version != (version{1, "writer"}) || !c.added {
		t.Errorf("it says %+v", c)
	}
}
