package driver

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// Copies is a number of registries that keep a blob.
type Copies int

// Everywhere are as many copies as there are registries, written "all".
const Everywhere Copies = engine.AllCopies

// String implements fmt.Stringer.
func (c Copies) String() string {
	if c == Everywhere {
		return "all"
	}
	return strconv.Itoa(int(c))
}

// Bytes is a size, written with its unit: 500GiB. Only 0 needs none.
type Bytes int64

// DiskSize is, as a capacity, the size of the disk that datastorepath lies on.
const DiskSize Bytes = engine.DiskSize

// leastRepairRate lets each of the connections that share it bring a leaf within the time for which
// a member waits.
const leastRepairRate Bytes = 1 << 20

// amounts decodes Copies and Bytes from text, and from whole numbers that are not negative.
func amounts(from, to reflect.Type, v any) (any, error) {
	copies := to == reflect.TypeFor[Copies]()
	if !copies && to != reflect.TypeFor[Bytes]() || from == to {
		return v, nil
	}
	text := fmt.Sprint(v)
	switch {
	case from.Kind() != reflect.String && !reflect.ValueOf(v).CanInt() && !reflect.ValueOf(v).CanUint():
		return nil, errors.New("not a whole number")
	case copies && text == "all":
		return Everywhere, nil
	case copies:
		n, err := strconv.ParseUint(text, 10, 31)
		return Copies(n), err
	}
	n, err := humanize.ParseBytes(text)
	switch {
	case err == nil && n > math.MaxInt64:
		err = errors.New("too much")
	case err == nil && n > 0 && !strings.ContainsFunc(text, unicode.IsLetter):
		err = errors.New("no unit") // minfree: 10 means 10%, not ten bytes
	}
	return Bytes(n), err
}

func (p Parameters) checkCopies() error {
	if p.Replicas < 0 {
		return errors.New("replicas: is negative; 0 keeps a blob where it was pushed or pulled")
	}
	if p.Capacity < 0 && p.Capacity != DiskSize {
		return errors.New("capacity: is negative; 0 keeps nothing for others, as a cache")
	}
	if p.RepairDelay < time.Second {
		return errors.New("repairdelay: is less than 1s, in which a member may just be dialed again; write it with its unit, such as 1h")
	}
	if p.RepairRate != 0 && p.RepairRate < leastRepairRate {
		return errors.New("repairrate: is less than 1MiB a second, at which a large blob is never done; 0 does not bound it")
	}
	return nil
}

// checkAcks wants no more disks than there can be, or than go on keeping what was pushed.
func (p Parameters) checkAcks() error {
	switch {
	case p.AckReplicas < 1:
		return fmt.Errorf("ackreplicas: %d is less than 1, which is this registry's own disk", p.AckReplicas)
	case p.AckReplicas > 1 && p.Offline:
		return errors.New("ackreplicas: is more than 1 with offline: true; a registry without a network has one disk")
	case p.AckReplicas > int(p.Replicas) && p.Replicas > 0:
		return fmt.Errorf("ackreplicas: %d is more than replicas: %s keeps; raise replicas, or lower ackreplicas", p.AckReplicas, p.Replicas)
	case p.AckTimeout < time.Second:
		return errors.New("acktimeout: is less than 1s, in which a layer is on no other disk; write it with its unit, such as 30s")
	}
	return nil
}

// CopiesStatus is what this registry keeps for the swarm.
type CopiesStatus struct {
	Replicas  string `json:"replicas"`   // of each blob, by this registry's configuration: a number, or all
	Kept      int    `json:"kept"`       // blobs that this registry is a keeper of, and has
	KeptBytes int64  `json:"kept_bytes"` // of these
	Pending   int    `json:"pending"`    // blobs that it is a keeper of, and has not yet
	Failed    int    `json:"failed"`     // of these, those that could not be fetched when they were last tried
	Full      bool   `json:"full"`       // for want of room
	Lacking   int64  `json:"lacking"`    // bytes that have to become free before these can come; 0: not bytes are short
	Hold      string `json:"hold"`       // why blobs get no new keepers now; "": they do
	Draining  bool   `json:"draining"`   // this registry is to be switched off for good

	// OnlyHere are the blobs of this disk that no other member that answers has, and
	// UnderReplicated those that are kept by fewer members that answer than are to keep them.
	OnlyHere        BlobSum    `json:"only_here"`
	UnderReplicated BlobSum    `json:"under_replicated"`
	Surveyed        *time.Time `json:"surveyed"` // when the members were last asked for these; nil: not yet, or offline
	Silent          int        `json:"silent"`   // members that did not answer then
}

// BlobSum is a number of blobs, and of their bytes.
type BlobSum struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

func (s *store) copiesStatus(n blobCounts) CopiesStatus {
	k := s.engine.Copies.State()
	short := s.engine.NoRoom()
	c := CopiesStatus{
		Replicas: Copies(k.Copies).String(), Kept: n.kept, KeptBytes: n.keptBytes, Pending: n.pending,
		Failed: k.Failed, Full: short.Blobs > 0, Lacking: short.Bytes, Hold: s.whyHeld(k), Draining: s.engine.Draining(),
	}
	if found, ok := s.engine.Surveyed(); ok {
		c.OnlyHere, c.UnderReplicated = BlobSum(found.OnlyHere), BlobSum(found.Few)
		c.Surveyed, c.Silent = &found.At, found.Silent
	}
	return c
}

func (s *store) whyHeld(k replica.State) string {
	switch k.Hold {
	case place.ManyAway:
		return fmt.Sprintf("%d of %d registries that keep blobs are away, more than a third", k.Away, k.Known)
	case place.Silent:
		if !k.Mute {
			return ""
		}
		return fmt.Sprintf("%s has not said how much it keeps, as earlier releases do not", s.engine.Called(k.Silent[0].String()))
	}
	return ""
}
