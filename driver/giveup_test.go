package driver_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestOnlySurplusIsGivenUp: a copy goes where others answer that they keep the blob, and stays with
// its keepers, and where these are away.
func TestOnlySurplusIsGivenUp(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 1, func(_ int, p *driver.Parameters) { p.RepairDelay = time.Hour })
	contents := pushKept(t, all[0], 12, 1, all...)
	away := all[2]
	var refused [][]byte
	for i, content := range contents {
		keeper := placed(t, content, 1, all...)[0]
		switch err := keeper.GiveUp(t.Context(), pathOf(content)); {
		case !errors.Is(err, driver.ErrKeeper) || !has(keeper, content):
			t.Fatalf("blob %d: its keeper gave it up: %v", i, err)
		case keeper == all[0]:
		case keeper == away && len(refused) == 0:
			refused = append(refused, content)
		default:
			if err := all[0].GiveUp(t.Context(), pathOf(content)); err != nil || has(all[0], content) {
				t.Errorf("blob %d: it is not given up: %v", i, err)
			}
		}
	}
	if len(refused) == 0 {
		t.Skip("the third registry keeps none of them") // once in a hundred times
	}
	away.Stop()
	if err := all[0].GiveUp(t.Context(), pathOf(refused[0])); !errors.Is(err, driver.ErrFewCopies) || !has(all[0], refused[0]) {
		t.Errorf("its keeper is away, and it is given up: %v", err)
	}
}

// TestTheLastCopyIsNeverGivenUp by two registries that count on each other.
func TestTheLastCopyIsNeverGivenUp(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	var contents [][]byte
	for range 30 {
		content := randomBytes(t, 1000)
		pushBlob(t, all[0], content)
		contents = append(contents, content)
	}
	drivertest.AwaitAgreement(t, all...)
	for _, content := range contents {
		get(t, all[1], pathOf(content))
	}
	drivertest.Await(t, "both have them all", func() bool {
		return !slices.ContainsFunc(contents, func(c []byte) bool { return !has(all[1], c) })
	})
	var wg sync.WaitGroup
	for _, content := range contents {
		for _, m := range all {
			wg.Go(func() {
				if err := m.GiveUp(t.Context(), pathOf(content)); err != nil && !errors.Is(err, driver.ErrFewCopies) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for i, content := range contents {
		if !has(all[0], content) && !has(all[1], content) {
			t.Errorf("blob %d is gone", i)
		}
		if err := all[0].GiveUp(t.Context(), pathOf(content)); (err == nil) != has(all[1], content) {
			t.Errorf("blob %d: %v", i, err)
		}
	}
}
