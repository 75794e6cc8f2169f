package driver_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// TestImportOfWhatIsPushedMeanwhile: the other registry takes pushes after its layers were read, and before
// its manifests and tags are. What these lead to is served here, whole, when the import is done.
func TestImportOfWhatIsPushedMeanwhile(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	old.push(t, "a:1", someImage(t, 3<<20, 1))
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.AckReplicas, p.AckTimeout = 2, time.Second
	first := drivertest.Start(t, p)
	host := served(t, first)

	waits := make(chan struct{}, 1)
	ended := make(chan error)
	var im driver.Import
	go func() {
		var err error
		im, err = first.Import(t.Context(), driver.ImportOptions{Root: old.root}, func(at driver.ImportProgress) {
			if at.Waiting != "" {
				select {
				case waits <- struct{}{}:
				default:
				}
			}
		})
		ended <- err
	}()
	<-waits // its layers were read, and wait for a second disk
	moved := old.push(t, "a:1", someImage(t, 1000, 2))
	index, err := random.Index(1000, 2, 2)
	must(t, err)
	ref, err := name.ParseReference(old.host+"/a:multi", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	q := drivertest.Parameters(t, key)
	q.Bootstrappers = first.Addresses()
	drivertest.Start(t, q)
	must(t, <-ended)

	if im.FaultCount != 0 {
		t.Errorf("%+v", im.Faults)
	}
	requireImage(t, host+"/a:1", moved)
	ref, err = name.ParseReference(host+"/a:multi", name.Insecure)
	must(t, err)
	got, err := remote.Index(ref)
	must(t, err)
	must(t, validate.Index(got))
	if again := importFrom(t, first, driver.ImportOptions{Root: old.root}); again.FaultCount != 0 || again.Tags != 0 || again.Manifests != 0 {
		t.Errorf("something was left: %+v", again)
	}
}

// TestImportOfATagWithoutItsManifest: what early releases leave of a deleted image takes the place of no
// image here.
func TestImportOfATagWithoutItsManifest(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	ours := someImage(t, 1000, 1)
	must(t, crane.Push(ours, host+"/a:1", crane.Insecure))
	d, err := old.push(t, "a:1", someImage(t, 1000, 1)).Digest()
	must(t, err)
	must(t, os.Remove(old.file(ocipath.RevisionLink(ocipath.Repository("a"), digest.Digest(d.String())))))
	im := importFrom(t, m, driver.ImportOptions{Root: old.root})
	if im.FaultCount != 1 || im.Tags != 0 || !strings.Contains(im.Faults[0].Reason, "no link to the manifest") {
		t.Errorf("%+v", im)
	}
	requireImage(t, host+"/a:1", ours)
}

// TestImportOfATagThatMovesAtOnce after it was read: the filesystem there has coarser times than the clock here.
func TestImportOfATagThatMovesAtOnce(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	old.push(t, "a:1", someImage(t, 1000, 1))
	second := time.Now().Add(-time.Second)
	importFrom(t, m, driver.ImportOptions{Root: old.root})
	moved := old.push(t, "a:1", someImage(t, 1000, 1))
	must(t, os.Chtimes(old.file(ocipath.CurrentLink(ocipath.Repository("a"), "1")), second, second))
	if im := importFrom(t, m, driver.ImportOptions{Root: old.root}); im.KeptTagCount != 0 || im.Tags != 1 {
		t.Errorf("%+v", im)
	}
	requireImage(t, host+"/a:1", moved)
}

// TestNamesOfNoRepository are faults of an import and of an export: a mistake in one would leave all behind, silently.
func TestNamesOfNoRepository(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	old.push(t, "team/app:1", someImage(t, 1000, 1))
	names := []string{"team", "teem", "team/app/x"}
	for _, dry := range []bool{true, false} {
		im := importFrom(t, m, driver.ImportOptions{Root: old.root, Repositories: names, DryRun: dry})
		if im.Repositories != 1 || im.FaultCount != 2 || !strings.HasSuffix(im.Faults[0].Path, "/teem") {
			t.Errorf("%+v", im)
		}
	}
	for _, dry := range []bool{true, false} {
		ex, err := m.Export(t.Context(), driver.ExportOptions{Dir: t.TempDir(), Repositories: names, DryRun: dry}, func(driver.ExportProgress) {})
		must(t, err)
		if ex.Repositories != 1 || ex.FaultCount != 2 || !strings.HasSuffix(ex.Faults[0].Path, "/teem") {
			t.Errorf("%+v", ex)
		}
	}
}
