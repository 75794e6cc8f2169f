package driver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

func exportTo(t *testing.T, m *drivertest.Member, o driver.ExportOptions) driver.Export {
	t.Helper()
	ex, err := driver.NewClient(m.Params).Export(t.Context(), o, func(driver.ExportProgress) {})
	must(t, err)
	return ex
}

// TestExport writes what distribution serves: also what only another registry has.
func TestExport(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	host := served(t, all[0])
	images := map[string]v1.Image{}
	for _, of := range []string{"a:1", "team/app:1", "team/app:2", "team/app/sub:1"} {
		images[of] = someImage(t, 1<<20, 2)
		must(t, crane.Push(images[of], host+"/"+of, crane.Insecure))
	}
	must(t, crane.Push(images["a:1"], host+"/team/app:3", crane.Insecure))
	index, err := random.Index(2000, 2, 2)
	must(t, err)
	ref, err := name.ParseReference(host+"/multi:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	drivertest.AwaitAgreement(t, all...)

	old := newOldRegistry(t)
	some := exportTo(t, all[1], driver.ExportOptions{Dir: old.root, Repositories: []string{"team"}})
	if some.FaultCount != 0 || some.Repositories != 2 || some.Written.Blobs != 4*4 || some.There.Blobs != 0 {
		t.Errorf("%+v", some)
	}
	ex := exportTo(t, all[1], driver.ExportOptions{Dir: old.root})
	if ex.FaultCount != 0 || ex.Repositories != 4 || ex.There.Blobs != 4*4 || ex.Written.Blobs != 1+2*4 {
		t.Errorf("%+v", ex)
	}
	for of, img := range images {
		requireImage(t, old.host+"/"+of, img)
	}
	requireImage(t, old.host+"/team/app:3", images["a:1"])
	ref, err = name.ParseReference(old.host+"/multi:1", name.Insecure)
	must(t, err)
	got, err := remote.Index(ref)
	must(t, err)
	must(t, validate.Index(got))

	again := exportTo(t, all[1], driver.ExportOptions{Dir: old.root})
	if again.Written.Blobs != 0 || again.Links != 0 || again.There.Blobs != ex.There.Blobs+ex.Written.Blobs {
		t.Errorf("what was there was written again: %+v", again)
	}
	next := someImage(t, 1000, 1)
	must(t, crane.Push(next, host+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	if since := exportTo(t, all[1], driver.ExportOptions{Dir: old.root}); since.Written.Blobs != 3 {
		t.Errorf("a layer, a config and a manifest are new: %+v", since)
	}
	requireImage(t, old.host+"/a:1", next)

	into := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	if im := importFrom(t, into, driver.ImportOptions{Root: old.root}); im.FaultCount != 0 || im.Repositories != 4 {
		t.Errorf("what was exported is not imported: %+v", im)
	}
	requireImage(t, served(t, into)+"/team/app:2", images["team/app:2"])
}

// TestExportInterrupted leaves whole files, and goes on.
func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	images := map[string]v1.Image{}
	for _, of := range []string{"a:1", "b:1", "c:1", "d:1"} {
		images[of] = someImage(t, 4<<20, 3)
		must(t, crane.Push(images[of], host+"/"+of, crane.Insecure))
	}
	old := newOldRegistry(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := m.Export(ctx, driver.ExportOptions{Dir: old.root}, func(driver.ExportProgress) {})
		ended <- err
	}()
	drivertest.Await(t, "something was written", func() bool {
		files, err := filepath.Glob(filepath.Join(old.root, "docker/registry/v2/blobs/sha256/*/*/data"))
		return err == nil && len(files) > 0
	})
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(old.root, "docker/registry/v2/blobs/sha256/*/*/*.part"))
	if err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	rest := exportTo(t, m, driver.ExportOptions{Dir: old.root})
	if rest.There.Blobs == 0 || rest.There.Blobs+rest.Written.Blobs != 4*5 {
		t.Errorf("%+v", rest)
	}
	for of, img := range images {
		requireImage(t, old.host+"/"+of, img)
	}
}

// TestExportOfWhatNobodyHas names it, and writes no link to it; of a stopped registry its disk is read.
func TestExportOfWhatNobodyHas(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	lost := newPushed(t, someImage(t, 1<<20, 1))
	must(t, crane.Push(lost, served(t, all[0])+"/lost:1", crane.Insecure))
	kept := someImage(t, 1<<20, 1)
	must(t, crane.Push(kept, served(t, all[1])+"/kept:1", crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	for _, m := range all {
		m.Stop()
	}
	old := newOldRegistry(t)
	ex, err := driver.ExportStopped(t.Context(), all[1].Params, driver.ExportOptions{Dir: old.root}, func(driver.ExportProgress) {})
	must(t, err)
	reasons := map[string]string{}
	for _, f := range ex.Faults {
		reasons[f.Digest] = f.Reason
	}
	if ex.Running || ex.Written.Blobs < 3 || ex.FaultCount == 0 || reasons[lost.layer.String()] == "" {
		t.Errorf("%+v", ex)
	}
	requireImage(t, old.host+"/kept:1", kept)
	if _, err := os.Lstat(old.file(ocipath.LayerLink(ocipath.Repository("lost"), lost.layer))); err == nil {
		t.Error("a link is there, and leads to nothing")
	}
}

// TestExportToNowhere says what is wrong.
func TestExportToNowhere(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	m := drivertest.Start(t, p)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for dir, want := range map[string]string{"relative": "absolute", file: "not a directory"} {
		_, err := driver.NewClient(m.Params).Export(t.Context(), driver.ExportOptions{Dir: dir}, func(driver.ExportProgress) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
