package driver_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// layoutOf reads an image layout with another library: what is in it, by its names. All of it is whole.
func layoutOf(t *testing.T, dir string) map[string]v1.Descriptor {
	t.Helper()
	p, err := layout.FromPath(dir)
	must(t, err)
	index, err := p.ImageIndex()
	must(t, err)
	must(t, validate.Index(index))
	m, err := index.IndexManifest()
	must(t, err)
	found := map[string]v1.Descriptor{}
	for _, d := range m.Manifests {
		found[d.Annotations[ocispec.AnnotationRefName]] = d
	}
	return found
}

func digestIn(t *testing.T, of interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	d, err := of.Digest()
	must(t, err)
	return d.String()
}

// referringTo makes an image that refers to another one.
func referringTo(t *testing.T, to v1.Image) v1.Image {
	t.Helper()
	size, err := to.Size()
	must(t, err)
	d, err := to.Digest()
	must(t, err)
	media, err := to.MediaType()
	must(t, err)
	signature, ok := mutate.Subject(someImage(t, 1000, 1), v1.Descriptor{MediaType: media, Size: size, Digest: d}).(v1.Image)
	if !ok {
		t.Fatal("no image")
	}
	return signature
}

// pushPlainly pushes an image without a tag, also for those to which it refers.
func pushPlainly(t *testing.T, host, repository string, img v1.Image) {
	t.Helper()
	to, err := name.NewRepository(host+"/"+repository, name.Insecure)
	must(t, err)
	layers, err := img.Layers()
	must(t, err)
	config, err := partial.ConfigLayer(img)
	must(t, err)
	for _, layer := range append(layers, config) {
		must(t, remote.WriteLayer(to, layer))
	}
	content, err := img.RawManifest()
	must(t, err)
	media, err := img.MediaType()
	must(t, err)
	send(t, http.StatusCreated, http.MethodPut, "http://"+host+"/v2/"+repository+"/manifests/"+digestIn(t, img), string(media), content)
}

// TestExportLayout writes what others read: each tag, each platform, what refers to an image, and what no
// tag leads to; also what only another registry has.
func TestExportLayout(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	host := served(t, all[0])
	want := map[string]string{}
	push := func(of string) v1.Image {
		img := someImage(t, 1<<20, 2)
		must(t, crane.Push(img, host+"/"+of, crane.Insecure))
		want[of] = digestIn(t, img)
		return img
	}
	push("a:1")
	app := push("team/app:1")
	var err error
	must(t, crane.Tag(host+"/team/app:1", "2", crane.Insecure))
	want["team/app:2"] = want["team/app:1"]
	signature, untagged := referringTo(t, app), someImage(t, 1000, 1)
	for _, img := range []v1.Image{signature, untagged} {
		pushPlainly(t, host, "team/app", img)
		want["team/app@"+digestIn(t, img)] = digestIn(t, img)
	}
	tagged := "team/app:" + strings.Replace(digestIn(t, app), ":", "-", 1)
	must(t, crane.Push(referringTo(t, app), host+"/team/app:signature", crane.Insecure)) // and a tag that leads to it
	for _, of := range []string{"team/app:signature", tagged} {
		want[of], err = crane.Digest(host+"/"+of, crane.Insecure)
		must(t, err)
	}
	index, err := random.Index(2000, 2, 3)
	must(t, err)
	ref, err := name.ParseReference(host+"/multi:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	want["multi:1"] = digestIn(t, index)
	drivertest.AwaitAgreement(t, all...)

	dir := filepath.Join(t.TempDir(), "layout")
	planned := exportTo(t, all[1], driver.ExportOptions{Dir: dir, OCI: true, DryRun: true})
	if _, err := os.Stat(dir); err == nil {
		t.Error("a dry run wrote something")
	}
	some := exportTo(t, all[1], driver.ExportOptions{Dir: dir, OCI: true, Repositories: []string{"team"}})
	if found := layoutOf(t, dir); some.FaultCount != 0 || some.Tags != 4 || some.Untagged != 2 || len(found) != 6 {
		t.Errorf("%+v, %v", some, found)
	}
	ex := exportTo(t, all[1], driver.ExportOptions{Dir: dir, OCI: true})
	found := layoutOf(t, dir)
	if names := slices.Sorted(maps.Keys(found)); !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("%v", names)
	}
	for of, d := range want {
		if found[of].Digest.String() != d {
			t.Errorf("%s is %v, not %s", of, found[of], d)
		}
	}
	if !found["multi:1"].MediaType.IsIndex() || !found["a:1"].MediaType.IsImage() {
		t.Errorf("%+v", found)
	}
	if planned.Written.Blobs != some.Written.Blobs+ex.Written.Blobs || planned.Tags != ex.Tags || planned.Untagged != ex.Untagged {
		t.Errorf("planned %+v, then %+v, %+v", planned, some, ex)
	}

	next := push("a:1")
	must(t, crane.Delete(host+"/team/app@"+digestIn(t, untagged), crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	if since := exportTo(t, all[1], driver.ExportOptions{Dir: dir, OCI: true}); since.Written.Blobs != 4 || since.There.Blobs == 0 {
		t.Errorf("two layers, a config and a manifest are new: %+v", since)
	}
	found = layoutOf(t, dir)
	if found["a:1"].Digest.String() != digestIn(t, next) || len(found) != len(want)+1 {
		t.Errorf("the tag has moved, and what it led to has no tag: %v", found)
	}
}

// TestExportLayoutOfAPart names no image of which something is lacking.
func TestExportLayoutOfAPart(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	lost := newPushed(t, someImage(t, 1<<20, 1))
	must(t, crane.Push(lost, served(t, all[0])+"/a:lost", crane.Insecure))
	kept := someImage(t, 1<<20, 1)
	must(t, crane.Push(kept, served(t, all[1])+"/a:kept", crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	for _, m := range all {
		m.Stop()
	}
	dir := t.TempDir()
	ex, err := driver.ExportStopped(t.Context(), all[1].Params, driver.ExportOptions{Dir: dir, OCI: true}, func(driver.ExportProgress) {})
	must(t, err)
	found := layoutOf(t, dir)
	if len(found) != 1 || found["a:kept"].Digest.String() != digestIn(t, kept) || ex.Running || ex.Tags != 1 {
		t.Errorf("%v, %+v", found, ex)
	}
	if !slices.ContainsFunc(ex.Faults, func(f driver.ExportFault) bool { return f.Digest == lost.layer.String() }) ||
		!slices.ContainsFunc(ex.Faults, func(f driver.ExportFault) bool {
			return f.Path == "/docker/registry/v2/repositories/a/_manifests/tags/lost/current/link"
		}) {
		t.Errorf("the layer and the tag are named: %+v", ex.Faults)
	}
}
