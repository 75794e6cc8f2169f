package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// TestADrainedRegistryIsMissedByNobody: once it says that it may be switched off, its disk may be
// wiped, and the others have every blob and every path.
func TestADrainedRegistryIsMissedByNobody(t *testing.T) {
	t.Parallel()
	for _, copies := range []driver.Copies{1, 2} {
		t.Run(copies.String(), func(t *testing.T) {
			t.Parallel()
			all := keepers(t, 3, copies)
			leaves := all[0]
			contents := pushKept(t, leaves, 10, copies, all...)
			first, err := leaves.Drain(t.Context(), false, func(driver.DrainState) {})
			if err != nil || !first.Draining || first.Here.Blobs != 10 {
				t.Fatalf("%+v, %v", first, err)
			}
			last, err := leaves.Drain(t.Context(), true, func(driver.DrainState) {})
			if err != nil || !last.Done || last.Left.Blobs != 0 || last.Merged != 2 || last.Keepers != 2 || last.Reason+last.Warning != "" {
				t.Fatalf("%+v, %v", last, err)
			}
			if !first.Done && (first.Left.Blobs == 0 || first.Reason == "") {
				t.Errorf("%+v", first)
			}
			requireTakesNothing(t, leaves)
			for _, content := range contents { // pulls go on
				if got := get(t, leaves, pathOf(content)); !bytes.Equal(got, content) {
					t.Fatal("other bytes")
				}
			}
			leaves.Stop()
			rest := all[1:]
			for i, content := range contents {
				n := 0
				for _, m := range rest {
					if has(m, content) {
						n++
					}
				}
				if n < min(int(copies), 2) {
					t.Errorf("blob %d has %d copies", i, n)
				}
				for _, m := range rest {
					if got := get(t, m, pathOf(content)); !bytes.Equal(got, content) {
						t.Fatal("other bytes")
					}
				}
			}
		})
	}
}

func requireTakesNothing(t *testing.T, m *drivertest.Member) {
	t.Helper()
	content := randomBytes(t, 100)
	for name, write := range map[string]func(context.Context) error{
		"push":   func(ctx context.Context) error { return m.PutContent(ctx, pathOf(content), content) },
		"delete": func(ctx context.Context) error { return m.Delete(ctx, "/docker/registry/v2/blobs") },
	} {
		ctx, refusals := driver.WithRefusals(t.Context())
		err := write(ctx)
		if r := refusals.Last(); err == nil || r == nil || r.Status != http.StatusServiceUnavailable || r.Retry == 0 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
}

// TestDrainingOutlivesARestart, and ends when it is told to: then the registry keeps its share again.
func TestDrainingOutlivesARestart(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, 1)
	leaves, stays := all[0], all[1]
	contents := pushKept(t, leaves, 6, 1, all...)
	if _, err := leaves.Drain(t.Context(), false, func(driver.DrainState) {}); err != nil {
		t.Fatal(err)
	}
	leaves.Stop()
	leaves.Restart()
	drivertest.AwaitMesh(t, all...)
	s := leaves.Status(t.Context())
	if !s.Copies.Draining || !slices.ContainsFunc(s.NotReady, func(r string) bool { return strings.Contains(r, "drained") }) {
		t.Errorf("%+v, not ready: %q", s.Copies, s.NotReady)
	}
	draining := func(want bool) func() bool {
		return func() bool { return stays.Status(t.Context()).Members[0].Draining == want }
	}
	drivertest.Await(t, "the other has heard of it", draining(true))
	requireTakesNothing(t, leaves)
	if d, err := leaves.Drain(t.Context(), true, func(driver.DrainState) {}); err != nil || !d.Done {
		t.Fatalf("%+v, %v", d, err)
	}
	for i, content := range contents {
		if !has(stays, content) {
			t.Errorf("blob %d is not handed on", i)
		}
	}
	if _, err := leaves.Undrain(t.Context()); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "the other has heard of it", draining(false))
	awaitKnown(t, all...)
	for range 4 {
		content := randomBytes(t, 1000)
		pushBlob(t, leaves, content)
		contents = append(contents, content)
	}
	drivertest.AwaitAgreement(t, all...)
	for i, content := range contents {
		keeper := placed(t, content, 1, all...)[0]
		drivertest.Await(t, fmt.Sprintf("blob %d is with its keeper", i), func() bool { return has(keeper, content) })
	}
}

// TestNobodyToHandOnTo: a registry whose blobs nobody keeps is not to be switched off, and says why.
func TestNobodyToHandOnTo(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, 1, func(i int, p *driver.Parameters) {
		if i == 1 {
			p.Capacity = 0
		}
	})
	content := randomBytes(t, 1000)
	pushBlob(t, all[0], content)
	drivertest.AwaitAgreement(t, all...)
	var d driver.DrainState
	var err error
	drivertest.Await(t, "it knows who is there", func() bool {
		d, err = all[0].Drain(t.Context(), false, func(driver.DrainState) {})
		return err != nil || d.Here.Blobs == 1
	})
	if err != nil || d.Done || d.Left.Blobs != 1 || d.OnlyHere != d.Left || !strings.Contains(d.Reason, "no other registry keeps blobs") {
		t.Errorf("%+v, %v", d, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told := func(driver.DrainState) { cancel() }
	if d, err = all[0].Drain(ctx, true, told); err == nil || d.Done {
		t.Errorf("it waits no longer: %+v", d)
	}
	get(t, all[1], pathOf(content)) // which only makes a copy that may go again
	if d, err = all[0].Drain(t.Context(), false, func(driver.DrainState) {}); err != nil || d.Done {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestAKeeperThatIsAway holds a drain up, and is named.
func TestAKeeperThatIsAway(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 2, func(i int, p *driver.Parameters) {
		p.Name, p.RepairDelay = fmt.Sprint("registry-", i), time.Hour
	})
	pushKept(t, all[0], 1, 2, all...)
	all[2].Stop()
	drivertest.Await(t, "it has gone", func() bool { return others(t, all[0]) == 1 })
	drivertest.Await(t, "it is named", func() bool {
		d, err := all[0].Drain(t.Context(), false, func(driver.DrainState) {})
		must(t, err)
		return !d.Done && d.Left.Blobs == 1 && strings.Contains(d.Reason, `"registry-2"`) && !strings.Contains(d.Reason, "registry-1")
	})
}

// TestKeepersThatHaveNotFetchedYet are named: of an entry that is wrong nobody fetches the blob.
func TestKeepersThatHaveNotFetchedYet(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 2, func(i int, p *driver.Parameters) { p.Name = fmt.Sprint("registry-", i) })
	content := randomBytes(t, 1000)
	c, free, err := all[0].Hold(content)
	must(t, err)
	t.Cleanup(free)
	must(t, all[1].PutEntry(pathOf(content), c, 2000)) // more bytes than there are: nobody can fetch it
	drivertest.AwaitAgreement(t, all...)
	drivertest.Await(t, "they are named", func() bool {
		d, err := all[0].Drain(t.Context(), false, func(driver.DrainState) {})
		must(t, err)
		return d.Left.Blobs == 1 && strings.Contains(d.Reason, `"registry-1"`) && strings.Contains(d.Reason, `"registry-2"`)
	})
}

// TestAKeeperWhoseDiskIsFull holds a drain up: it is named with how much it lacks, in the reason and in
// the status of the others, and the drain ends when there is room.
func TestAKeeperWhoseDiskIsFull(t *testing.T) {
	all := keepers(t, 2, 1, func(i int, p *driver.Parameters) {
		if i == 1 {
			p.DatastorePath, p.Name = smalldisk.Mount(t, t.TempDir(), "size=336m"), "small"
		}
	})
	free := smalldisk.Fill(t, all[1].Params.DatastorePath, 128<<20)
	for range 6 {
		pushBlob(t, all[0], randomBytes(t, 16<<20))
	}
	drivertest.AwaitAgreement(t, all...)
	drivertest.Await(t, "it is named, with what it lacks", func() bool {
		d, err := all[0].Drain(t.Context(), false, func(driver.DrainState) {})
		must(t, err)
		return !d.Done && len(d.NoRoom) == 1 && d.NoRoom[0].Name == "small" && strings.Contains(d.Reason, `"small"`) &&
			strings.Contains(d.Reason, "MiB more have to be free on its disk")
	})
	if m := all[0].Status(t.Context()).Members[0]; m.NoRoom == nil || m.NoRoom.Blobs == 0 || m.NoRoom.Bytes == 0 {
		t.Errorf("%+v", m.NoRoom)
	}
	free()
	last, err := all[0].Drain(t.Context(), true, func(driver.DrainState) {})
	if err != nil || !last.Done || len(last.NoRoom) != 0 {
		t.Errorf("%+v, %v", last, err)
	}
	drivertest.Await(t, "it has room", func() bool { return all[0].Status(t.Context()).Members[0].NoRoom == nil })
}

// TestARegistryWhoseDiskIsFullIsDrained, and stays, though neither can be written down: it is once there is room.
func TestARegistryWhoseDiskIsFullIsDrained(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, 1, func(i int, p *driver.Parameters) {
		if i == 0 {
			p.DatastorePath = smalldisk.Mount(t, t.TempDir(), "size=336m")
		}
	})
	leaves, stays := all[0], all[1]
	contents := pushKept(t, leaves, 6, 1, all...)
	free := smalldisk.Fill(t, leaves.Params.DatastorePath, 0)
	d, err := leaves.Drain(t.Context(), true, func(driver.DrainState) {})
	if err != nil || !d.Done || !strings.Contains(d.Unsaved, "while the disk is full") {
		t.Fatalf("%+v, %v", d, err)
	}
	for i, content := range contents {
		if !has(stays, content) {
			t.Errorf("blob %d is not handed on", i)
		}
	}
	if d, err = leaves.Undrain(t.Context()); err != nil || d.Draining || d.Unsaved == "" || leaves.Status(t.Context()).Copies.Draining {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = leaves.Drain(t.Context(), false, func(driver.DrainState) {}); err != nil || d.Unsaved == "" {
		t.Errorf("%+v, %v", d, err)
	}
	free()
	drivertest.Await(t, "it is written down", func() bool { return leaves.DrainUnsaved() == nil })
	leaves.Stop()
	leaves.Restart()
	if !leaves.Status(t.Context()).Copies.Draining {
		t.Error("it is not drained after a restart")
	}
}

// TestDrainingWithoutReplicas: nobody fetches anything, and what another one has pulled is enough.
func TestDrainingWithoutReplicas(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	content := randomBytes(t, 3<<20)
	pushBlob(t, all[0], content)
	drivertest.AwaitAgreement(t, all...)
	look := func() driver.DrainState {
		t.Helper()
		d, err := all[0].Drain(t.Context(), false, func(driver.DrainState) {})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := look(); d.Done || d.Left.Blobs != 1 || d.Left != d.OnlyHere || d.Reason == "" {
		t.Errorf("%+v", d)
	}
	get(t, all[1], pathOf(content))
	drivertest.Await(t, "the other has it", func() bool { return has(all[1], content) })
	if d := look(); !d.Done || d.Left.Blobs != 0 || d.Here.Bytes != 3<<20 {
		t.Errorf("%+v", d)
	}
	if err := all[1].GiveUp(t.Context(), pathOf(content)); !errors.Is(err, driver.ErrFewCopies) {
		t.Errorf("what one that is being drained has was counted: %v", err)
	}
}

// TestADrainEndsWhileOthersAreWrittenTo: what is pushed to others after its look began is theirs to
// keep, and there may never be a moment at which all of that has its copies.
func TestADrainEndsWhileOthersAreWrittenTo(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	leaves, stays := all[0], all[1]
	before := randomBytes(t, 1000)
	pushBlob(t, leaves, before)
	drivertest.AwaitAgreement(t, all...)
	looks := 0
	last, err := leaves.Drain(t.Context(), true, func(d driver.DrainState) {
		looks++
		if looks == 1 {
			if d.Left.Blobs != 1 {
				t.Errorf("%+v", d)
			}
			get(t, stays, pathOf(before))
			drivertest.Await(t, "it is handed on", func() bool { return saysItKeeps(leaves, stays, before) })
		} else if d.Left.Blobs != 0 {
			t.Errorf("it looks at what came later: %+v", d)
		}
		if looks > 10 {
			t.Fatal("it does not end")
		}
		later := randomBytes(t, 1000)
		c, free, err := leaves.Hold(later)
		must(t, err)
		t.Cleanup(free)
		must(t, stays.PutEntry(pathOf(later), c, 1000))
		drivertest.Await(t, "the entry is everywhere", func() bool { return has(leaves, later) })
	})
	if err != nil || !last.Done || last.Left.Blobs != 0 || last.Here.Blobs != 1 || last.Merged != 1 {
		t.Errorf("%+v, %v", last, err)
	}
}

// TestADrainIsAskedAgain without waiting: only what was left is looked at, until it may be switched
// off, or stays.
func TestADrainIsAskedAgain(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	leaves, stays := all[0], all[1]
	look := func(want int) {
		t.Helper()
		d, err := leaves.Drain(t.Context(), false, func(driver.DrainState) {})
		if err != nil || d.Left.Blobs != want || d.Done != (want == 0) {
			t.Fatalf("%d are not left: %+v, %v", want, d, err)
		}
	}
	add := func() []byte {
		content := randomBytes(t, 1000)
		c, free, err := leaves.Hold(content)
		must(t, err)
		t.Cleanup(free)
		must(t, stays.PutEntry(pathOf(content), c, 1000))
		drivertest.AwaitAgreement(t, all...)
		return content
	}
	fetch := func(content []byte) {
		get(t, stays, pathOf(content))
		drivertest.Await(t, "it is handed on", func() bool { return saysItKeeps(leaves, stays, content) })
	}
	first := add()
	look(1)
	second := add() // another registry took it
	look(1)
	fetch(first)
	look(0)
	look(1) // what was done is looked at anew
	if _, err := leaves.Undrain(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := add()
	look(2)
	fetch(second)
	fetch(third)
	look(0)
}

// TestADrainEndsWithAnEntryOfASizeThatNoBlobHas: nobody keeps its blob, which is here.
func TestADrainEndsWithAnEntryOfASizeThatNoBlobHas(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	leaves, stays := all[0], all[1]
	content := randomBytes(t, 1000)
	c, free, err := leaves.Hold(content)
	must(t, err)
	t.Cleanup(free)
	must(t, stays.PutEntry(pathOf(content), c, math.MaxInt64))
	drivertest.AwaitAgreement(t, all...)
	d, err := leaves.Drain(t.Context(), false, func(driver.DrainState) {})
	if err != nil || !d.Done || d.Left.Blobs != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestADrainLooksAgain at all when what it left has lost its entry: another path may name it.
func TestADrainLooksAgain(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	leaves, stays := all[0], all[1]
	content, other := randomBytes(t, 1000), randomBytes(t, 2000)
	pushBlob(t, leaves, content)
	pushBlob(t, leaves, other)
	get(t, stays, pathOf(other))
	drivertest.Await(t, "what was read is on its disk, too", func() bool { return has(stays, other) })
	drivertest.AwaitAgreement(t, all...)
	var seen []driver.DrainState
	ctx, cancel := context.WithCancel(t.Context())
	_, err := leaves.Drain(ctx, true, func(d driver.DrainState) {
		if seen = append(seen, d); len(seen) > 1 {
			cancel()
			return
		}
		c, _ := leaves.Blob(pathOf(content))
		must(t, stays.PutEntry(pathOf(other), c, 1000))
		must(t, stays.Delete(t.Context(), pathOf(content)))
		drivertest.AwaitAgreement(t, all...)
	})
	if len(seen) != 2 || !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v", seen, err)
	}
	if first, second := seen[0], seen[1]; first.Here.Blobs != 2 || first.Left.Blobs != 1 || second.Here.Blobs != 1 || second.Left.Blobs != 1 {
		t.Errorf("%+v", seen)
	}
}

// TestTooFewRemain: the last word of a drain warns of that.
func TestTooFewRemain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replicas driver.Copies
		acks     int
		want     string
	}{
		"replicas":    {2, 1, "keep blobs: 1, and replicas is 2"},
		"ackreplicas": {2, 2, "remain: 1, and ackreplicas is 2"},
		"enough":      {1, 1, ""},
		"all":         {driver.Everywhere, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := keepers(t, 2, c.replicas, func(_ int, p *driver.Parameters) { p.AckReplicas = c.acks })
			d, err := all[0].Drain(t.Context(), true, func(driver.DrainState) {})
			if err != nil || !d.Done || (d.Warning == "") != (c.want == "") || !strings.Contains(d.Warning, c.want) {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// TestOneThatIsDrainedAcknowledgesNothing: its disk is about to go, also when the registry that asks
// has not heard that. One that has heard it waits for nothing.
func TestOneThatIsDrainedAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckTimeout = time.Hour })
	content := randomBytes(t, 1000)
	pushBlob(t, all[0], content)
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return all[0].AskToKeep(ctx, all[1].Identity().PeerID, pathOf(content))
	}
	must(t, ask())
	if _, err := all[1].Drain(t.Context(), false, func(driver.DrainState) {}); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil {
		t.Error("it acknowledges a push")
	}
	const why = "1 of 1 other registries are being drained"
	drivertest.Await(t, "it is heard", func() bool { return acks(t, all[0]).Why == "ackreplicas wants 2 disks, and "+why })
	if r := tryBlob(t, all[0], randomBytes(t, 1000)); r == nil || !strings.Contains(r.Error(), why) || strings.Contains(r.Error(), "away") {
		t.Errorf("%v", r)
	}
	if _, err := all[1].Undrain(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, ask())
}
