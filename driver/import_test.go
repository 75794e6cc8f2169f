package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// oldRegistry is a registry with distribution's filesystem driver.
type oldRegistry struct{ root, host string }

func newOldRegistry(t *testing.T) oldRegistry {
	t.Helper()
	root := t.TempDir()
	config := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem":  {"rootdirectory": root},
		"delete":      {"enabled": true},
		"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
	}}
	config.HTTP.Secret = "of this test"
	logrus.SetLevel(logrus.PanicLevel) // distribution logs each request
	server := httptest.NewServer(handlers.NewApp(t.Context(), config))
	t.Cleanup(server.Close)
	return oldRegistry{root, strings.TrimPrefix(server.URL, "http://")}
}

// file is that of a path of distribution's.
func (o oldRegistry) file(path string) string { return filepath.Join(o.root, path) }

func (o oldRegistry) push(t *testing.T, of string, img v1.Image) v1.Image {
	t.Helper()
	must(t, crane.Push(img, o.host+"/"+of, crane.Insecure))
	return img
}

func someImage(t *testing.T, size int64, layers int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, layers)
	must(t, err)
	return img
}

func layerDigest(t *testing.T, img v1.Image, i int) digest.Digest {
	t.Helper()
	layers, err := img.Layers()
	must(t, err)
	d, err := layers[i].Digest()
	must(t, err)
	return digest.Digest(d.String())
}

func importFrom(t *testing.T, m *drivertest.Member, o driver.ImportOptions) driver.Import {
	t.Helper()
	im, err := driver.NewClient(m.Params).Import(t.Context(), o, func(driver.ImportProgress) {})
	must(t, err)
	return im
}

func requireImage(t *testing.T, ref string, want v1.Image) {
	t.Helper()
	got, err := crane.Pull(ref, crane.Insecure)
	must(t, err)
	must(t, validate.Image(got))
	a, err := want.Digest()
	must(t, err)
	b, err := got.Digest()
	must(t, err)
	if a != b {
		t.Fatalf("%s is %s, want %s", ref, b, a)
	}
}

// TestImport takes in what another registry keeps, and what came there since.
func TestImport(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	all := drivertest.Cluster(t, 2)
	here, there := served(t, all[0]), served(t, all[1])

	base := old.push(t, "team/base:1", someImage(t, blob.MinLinked, 1))
	layers, err := base.Layers()
	must(t, err)
	app, err := mutate.AppendLayers(someImage(t, 70_000, 2), layers...)
	must(t, err)
	old.push(t, "team/app:1", app)
	old.push(t, "other:latest", app)
	index, err := random.Index(2000, 2, 3)
	must(t, err)
	ref, err := name.ParseReference(old.host+"/team/multi:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))

	dry := importFrom(t, all[0], driver.ImportOptions{Root: old.root, DryRun: true})
	if all[0].Status(t.Context()).Map.Entries != 0 {
		t.Error("a dry run wrote something")
	}
	im := importFrom(t, all[0], driver.ImportOptions{Root: old.root})
	// manifests: base, app twice, the index and its 3; tags: base, app, other, multi
	if im.FaultCount != 0 || im.Repositories != 4 || im.Manifests != 7 || im.Tags != 4 || im.Taken.Bytes < blob.MinLinked {
		t.Errorf("%+v", im)
	}
	if dry.Taken != im.Taken || dry.Manifests != im.Manifests || dry.Tags != im.Tags || dry.Here != 0 {
		t.Errorf("a dry run said %+v, and it was %+v", dry, im)
	}
	if shared := im.Cloned.Bytes + im.Linked.Bytes; shared < blob.MinLinked {
		t.Errorf("of a large blob in the same filesystem all was copied: %+v", im)
	}
	drivertest.AwaitAgreement(t, all...)
	for _, host := range []string{here, there} {
		requireImage(t, host+"/team/base:1", base)
		requireImage(t, host+"/team/app:1", app)
		requireImage(t, host+"/other:latest", app)
		ref, err := name.ParseReference(host+"/team/multi:1", name.Insecure)
		must(t, err)
		got, err := remote.Index(ref)
		must(t, err)
		must(t, validate.Index(got))
	}
	requireImage(t, old.host+"/team/base:1", base)

	deltas := all[0].Deltas()
	again := importFrom(t, all[0], driver.ImportOptions{Root: old.root})
	if again.Taken.Blobs != 0 || again.Manifests != 0 || again.Tags != 0 || again.Here == 0 || all[0].Deltas() != deltas {
		t.Errorf("what is here was imported again: %+v, deltas: %d, were %d", again, all[0].Deltas(), deltas)
	}

	next := old.push(t, "team/app:1", someImage(t, 3000, 2))
	since := importFrom(t, all[0], driver.ImportOptions{Root: old.root, Repositories: []string{"team"}})
	if since.Taken.Blobs != 4 || since.Manifests != 1 || since.Tags != 1 || since.Repositories != 3 {
		t.Errorf("2 layers, a config, a manifest and a tag are new: %+v", since)
	}
	requireImage(t, here+"/team/app:1", next)
}

// TestImportKeepsATagThatWasSetHereLater than in the other registry.
func TestImportKeepsATagThatWasSetHereLater(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	old.push(t, "a:1", someImage(t, 1000, 1))
	importFrom(t, m, driver.ImportOptions{Root: old.root})
	ours := someImage(t, 1000, 1)
	must(t, crane.Push(ours, host+"/a:1", crane.Insecure))
	im := importFrom(t, m, driver.ImportOptions{Root: old.root})
	if im.KeptTagCount != 1 || im.Tags != 0 || im.KeptTags[0].Repository != "a" || im.KeptTags[0].Tag != "1" {
		t.Errorf("%+v", im)
	}
	requireImage(t, host+"/a:1", ours)
	theirs := old.push(t, "a:1", someImage(t, 1000, 1))
	if im = importFrom(t, m, driver.ImportOptions{Root: old.root}); im.KeptTagCount != 0 || im.Tags != 1 {
		t.Errorf("%+v", im)
	}
	requireImage(t, host+"/a:1", theirs)
}

// TestImportOfWhatIsDamaged names it, and takes the rest.
func TestImportOfWhatIsDamaged(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	good := old.push(t, "good:1", someImage(t, 3000, 2))
	bad := old.push(t, "bad:1", someImage(t, 3<<20, 2))
	gone := old.push(t, "gone:1", someImage(t, 3000, 1))
	out := old.push(t, "out:1", someImage(t, 3000, 1))

	rotten := layerDigest(t, bad, 1)
	file := old.file(ocipath.BlobData(ocipath.Root, rotten))
	content, err := os.ReadFile(file)
	must(t, err)
	content[len(content)/2] ^= 1
	must(t, os.WriteFile(file, content, 0o600))

	manifest, err := gone.Digest()
	must(t, err)
	must(t, os.RemoveAll(filepath.Dir(old.file(ocipath.BlobData(ocipath.Root, digest.Digest(manifest.String()))))))

	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("not of a registry"), 0o600))
	outside := old.file(ocipath.BlobData(ocipath.Root, layerDigest(t, out, 0)))
	must(t, os.Remove(outside))
	must(t, os.Symlink(secret, outside))
	must(t, os.WriteFile(old.file(ocipath.CurrentLink(ocipath.Repository("good"), "1")), []byte("../../../../etc/passwd"), 0o600))

	im := importFrom(t, m, driver.ImportOptions{Root: old.root})
	faults := map[string]string{}
	for _, f := range im.Faults {
		faults[f.Path] = f.Reason
	}
	for path, reason := range map[string]string{
		ocipath.LayerLink(ocipath.Repository("bad"), rotten):                               "digest does not match",
		ocipath.RevisionLink(ocipath.Repository("gone"), digest.Digest(manifest.String())): "no bytes",
		ocipath.CurrentLink(ocipath.Repository("gone"), "1"):                               "no bytes",
		ocipath.LayerLink(ocipath.Repository("out"), layerDigest(t, out, 0)):               "escapes",
		ocipath.CurrentLink(ocipath.Repository("good"), "1"):                               "no digest",
	} {
		if !strings.Contains(faults[path], reason) {
			t.Errorf("%s: %q, want %q", path, faults[path], reason)
		}
	}
	if im.FaultCount != 5 || im.Dangling != 1 { // the index of the tag gone:1
		t.Errorf("%+v", im)
	}
	after, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Equal(after, content) {
		t.Error("the other registry's file is another one")
	}
	d, err := good.Digest()
	must(t, err)
	requireImage(t, host+"/good@"+d.String(), good)
	if _, err := m.Stat(t.Context(), ocipath.BlobData(ocipath.Root, rotten)); err == nil {
		t.Error("a blob has an entry whose digest did not match")
	}
	if files, err := filepath.Glob(filepath.Join(m.Params.DatastorePath, "staging", ".*")); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestImportInterrupted goes on where it was interrupted.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	images := map[string]v1.Image{}
	for _, of := range []string{"a:1", "b:1", "c/d:1", "c/e:1"} {
		images[of] = old.push(t, of, someImage(t, blob.MinLinked, 3))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := m.Import(ctx, driver.ImportOptions{Root: old.root, Copy: true}, func(driver.ImportProgress) {})
		ended <- err
	}()
	drivertest.Await(t, "something was imported", func() bool { return m.Status(t.Context()).Map.Entries > 0 })
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	rest := importFrom(t, m, driver.ImportOptions{Root: old.root, Copy: true})
	if rest.Here == 0 || rest.FaultCount != 0 || rest.Taken.Blobs >= 4*(3+2) || rest.Linked.Blobs > 0 {
		t.Errorf("%+v", rest)
	}
	for of, img := range images {
		requireImage(t, host+"/"+of, img)
	}
}

// TestImportRenewsWhatItReliesOn: a layer that another registry pushed, and nothing refers to, may be
// about to be deleted.
func TestImportRenewsWhatItReliesOn(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	all := drivertest.Cluster(t, 2)
	img := newPushed(t, old.push(t, "a:1", someImage(t, 3000, 1)))
	path := pushBlob(t, all[1], img.content)
	drivertest.AwaitAgreement(t, all...)
	im := importFrom(t, all[0], driver.ImportOptions{Root: old.root})
	if im.Taken.Blobs != 2 { // the config and the manifest
		t.Errorf("%+v", im)
	}
	if by := all[0].WriterOf(path); by != all[0].Identity().PeerID {
		t.Errorf("%s was last written by %s, not by the registry that relies on it", path, by)
	}
}

// TestImportIsAcknowledged by as many disks as a push.
func TestImportIsAcknowledged(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	img := newPushed(t, old.push(t, "a:1", someImage(t, 3<<20, 1)))
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.AckReplicas, p.AckTimeout = 2, time.Second
	first := drivertest.Start(t, p)

	waits := make(chan string, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := first.Import(ctx, driver.ImportOptions{Root: old.root}, func(at driver.ImportProgress) {
			if at.Waiting != "" {
				select {
				case waits <- at.Waiting:
				default:
				}
			}
		})
		ended <- err
	}()
	if why := <-waits; !strings.Contains(why, "disk") {
		t.Errorf("it waits, and says %q", why)
	}
	q := drivertest.Parameters(t, key)
	q.Bootstrappers = first.Addresses()
	second := drivertest.Start(t, q)
	must(t, <-ended)
	for _, d := range []digest.Digest{img.layer, img.manifest} {
		if _, here := second.Blob(ocipath.BlobData(ocipath.Root, d)); !here {
			t.Errorf("%s is on one disk", d)
		}
	}
}

// TestImportOfNothing says what is wrong.
func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	m := drivertest.Start(t, p)
	for root, want := range map[string]string{
		"relative":                              "absolute",
		t.TempDir():                             "rootdirectory",
		filepath.Join(t.TempDir(), "not/there"): "rootdirectory",
	} {
		_, err := driver.NewClient(m.Params).Import(t.Context(), driver.ImportOptions{Root: root}, func(driver.ImportProgress) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", root, err)
		}
	}
}

// TestImportOfNamesThatNoRegistryHas names them, and takes the rest.
func TestImportOfNamesThatNoRegistryHas(t *testing.T) {
	t.Parallel()
	old := newOldRegistry(t)
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	img := old.push(t, "a/b:1", someImage(t, 1000, 1))
	d, err := img.Digest()
	must(t, err)
	for _, of := range []string{"A b", "c:5/d"} {
		must(t, os.MkdirAll(filepath.Dir(old.file(ocipath.Repository(of))), 0o700))
		must(t, os.CopyFS(old.file(ocipath.Repository(of)), os.DirFS(old.file(ocipath.Repository("a/b")))))
	}
	deep := ocipath.Repository(strings.Repeat("d/", 2500) + "a")
	root, err := os.OpenRoot(old.root)
	must(t, err)
	must(t, root.MkdirAll(strings.TrimPrefix(ocipath.RevisionLink(deep, digest.Digest(d.String())), "/"), 0o700))
	must(t, root.Close())
	for _, tag := range []string{"\xff", "of b", strings.Repeat("a", 130)} {
		file := old.file(ocipath.CurrentLink(ocipath.Repository("a/b"), tag))
		must(t, os.MkdirAll(filepath.Dir(file), 0o700))
		must(t, os.WriteFile(file, []byte(d.String()), 0o600))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dry, err := m.Import(ctx, driver.ImportOptions{Root: old.root, DryRun: true}, func(driver.ImportProgress) {})
	must(t, err)
	im := importFrom(t, m, driver.ImportOptions{Root: old.root})
	var paths []string
	for _, f := range im.Faults {
		paths = append(paths, fmt.Sprintf("%.80q: %.80s", strings.TrimPrefix(f.Path, ocipath.Repositories), f.Reason))
	}
	// the index of the tag that is no UTF-8 cannot be read, either
	if im.FaultCount != 7 || dry.FaultCount != 7 || im.Tags != 1 || im.Repositories != 1 {
		t.Errorf("%d faults, in a dry run %d, %d tags of %d repositories:\n%s", im.FaultCount, dry.FaultCount, im.Tags, im.Repositories, strings.Join(paths, "\n"))
	}
	requireImage(t, host+"/a/b:1", img)
}
