package driver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// acknowledged starts n registries that keep nothing unasked, and of which the first
// acknowledges what is on two disks.
func acknowledged(t *testing.T, n int, changed ...keeping) []*drivertest.Member {
	t.Helper()
	key := drivertest.Key(t)
	var all []*drivertest.Member
	for i := range n {
		p := drivertest.Parameters(t, key)
		if i == 0 {
			p.AckReplicas = 2
		}
		for _, change := range changed {
			change(i, &p)
		}
		if i > 0 {
			p.Bootstrappers = all[0].Addresses()
		}
		all = append(all, drivertest.Start(t, p))
	}
	drivertest.AwaitMesh(t, all...)
	return all
}

// wantTwo starts the first of two registries anew, which from then on acknowledges with two disks.
func wantTwo(t *testing.T, all []*drivertest.Member) {
	t.Helper()
	all[0].Stop()
	all[0].Params.AckReplicas = 2
	all[0].Params.Bootstrappers = all[1].Addresses()
	all[0].Restart()
	drivertest.AwaitMesh(t, all...)
}

func acks(t *testing.T, m *drivertest.Member) driver.AckStatus {
	t.Helper()
	return m.Status(t.Context()).Acks
}

func others(t *testing.T, m *drivertest.Member) (connected int) {
	t.Helper()
	for _, o := range m.Status(t.Context()).Members {
		if o.Connected {
			connected++
		}
	}
	return connected
}

// TestAPushIsOnTwoDisks when it is acknowledged, whole and with its entry.
func TestAPushIsOnTwoDisks(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 3)
	for _, size := range []int{0, 1, 1000, 3 << 20} {
		content := randomBytes(t, size)
		pushBlob(t, all[0], content)
		holders := 0
		for _, m := range all[1:] {
			if has(m, content) {
				holders++
			}
		}
		if holders == 0 && size > 0 { // without bytes there is nothing to have
			t.Errorf("%d bytes are on %d other disks", size, holders)
		}
	}
	put(t, all[0], tagLink("a", "latest"), "sha256:…")
	if missing(all[1], tagLink("a", "latest")) && missing(all[2], tagLink("a", "latest")) {
		t.Error("a link is on one disk")
	}
	if a := acks(t, all[0]); a.Given != 5 || a.Replicas != 2 || a.Waiting+int(a.Refused) != 0 || a.Why != "" {
		t.Errorf("%+v", a)
	}
}

// TestTheKeepersAcknowledge, if they are there: what is asked for is where it is to be anyway.
func TestTheKeepersAcknowledge(t *testing.T) {
	t.Parallel()
	// One that says nothing for a moment, as on a busy machine, would get company elsewhere.
	all := keepersBy(t, driver.Hedging(time.Hour), 4, 2, func(_ int, p *driver.Parameters) { p.AckReplicas = 2 })
	const blobs = 30
	elsewhere := 0
	for range blobs {
		content := randomBytes(t, 3000)
		pushBlob(t, all[0], content)
		keepers := placed(t, content, 2, all...)
		if slices.ContainsFunc(all[1:], func(m *drivertest.Member) bool { return has(m, content) && !slices.Contains(keepers, m) }) {
			elsewhere++
		}
	}
	if elsewhere > 0 { // half of them are, if whoever comes first is asked
		t.Errorf("%d blobs are where they need not be", elsewhere)
	}
	if a := acks(t, all[0]); a.Given != blobs {
		t.Errorf("%+v", a)
	}
}

// requireAcknowledged is pushBlob whose end is tried again: on a busy machine one acktimeout may be
// too short.
func requireAcknowledged(t *testing.T, m *drivertest.Member, content []byte) {
	t.Helper()
	stageUpload(t, m, content)
	drivertest.Await(t, "a push is acknowledged", func() bool {
		return m.Move(t.Context(), uploadData, pathOf(content)) == nil
	})
}

// TestStrangersAcknowledgeNothing: a member that is not trusted is not asked, and keeps nothing for
// those that it does not trust.
func TestStrangersAcknowledgeNothing(t *testing.T) {
	t.Parallel()
	o := newOutsider(t, func(p *driver.Parameters) { p.AckReplicas, p.AckTimeout = 2, 2*time.Second })
	content := randomBytes(t, 1000)
	requireAcknowledged(t, o.a, content)
	if !has(o.b, content) || has(o.evil, content) || has(o.naive, content) {
		t.Error("others than the trusted one have it")
	}
	o.b.Stop()
	drivertest.Await(t, "it has gone", func() bool { return others(t, o.a) == 2 })
	if tryBlob(t, o.a, randomBytes(t, 1000)) == nil {
		t.Error("acknowledged by strangers")
	}
	drivertest.Await(t, "the other two are connected", func() bool { return others(t, o.evil) == 2 })
	// It trusts everybody, and the naive one does, too.
	requireAcknowledged(t, o.evil, randomBytes(t, 1000))
	if acks(t, o.evil).Given != 1 {
		t.Errorf("%+v", o.evil.Status(t.Context()).Members)
	}
	o.naive.Stop()
	drivertest.Await(t, "it has gone, too", func() bool { return others(t, o.evil) == 1 })
	if r := tryBlob(t, o.evil, randomBytes(t, 1000)); r == nil || !strings.Contains(r.Error(), "answers trusted members only") {
		t.Errorf("%v", r)
	}
}

// TestAManifestNeedsItsBlobsOnTwoDisks, also those that its client did not push because they
// were there.
func TestAManifestNeedsItsBlobsOnTwoDisks(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckReplicas = 1 })
	img, _ := image(t)
	pushBlobsOf(t, img, served(t, all[0])) // acknowledged by one disk
	p := newPushed(t, img)
	if has(all[1], p.content) {
		t.Fatal("the other has it already")
	}
	wantTwo(t, all)
	putManifest(t, served(t, all[0]), "latest", img)
	layers, err := img.Layers()
	must(t, err)
	for i, l := range layers {
		d, err := l.Digest()
		must(t, err)
		if _, here := all[1].Blob(blobPath(digest.Digest(d.String()))); !here {
			t.Errorf("layer %d is on one disk", i)
		}
	}
	raw, err := img.RawManifest()
	must(t, err)
	if !has(all[1], raw) || missing(all[1], tagLink("a", "latest")) {
		t.Error("the manifest is on one disk")
	}
}

// TestAManifestThatIsPushedAgain needs all of it on two disks, also when distribution has the
// descriptors of all of it in its cache, and asks the driver for nothing.
func TestAManifestThatIsPushedAgain(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckReplicas = 1 })
	cached := func(s configuration.Storage) { s["cache"] = configuration.Parameters{"blobdescriptor": "inmemory"} }
	img, d := image(t)
	must(t, crane.Push(img, served(t, all[0])+"/a:latest", crane.Insecure))
	p := newPushed(t, img)
	wantTwo(t, all)
	host := served(t, all[0], cached)
	send(t, http.StatusOK, http.MethodGet, "http://"+host+"/v2/a/manifests/"+d, "", nil)
	layers, err := img.Layers()
	must(t, err)
	config, err := partial.ConfigLayer(img)
	must(t, err)
	for _, l := range append(layers, config) {
		d, err := l.Digest()
		must(t, err)
		send(t, http.StatusOK, http.MethodHead, "http://"+host+"/v2/a/blobs/"+d.String(), "", nil)
	}
	if has(all[1], p.content) {
		t.Fatal("the other has it already")
	}
	putManifest(t, host, "other", img)
	if !has(all[1], p.content) {
		t.Error("a layer is on one disk")
	}
}

// TestWhatAnotherRegistryHasIsFetched: a client that found the layers there pushes none of them, and
// there is no third disk.
func TestWhatAnotherRegistryHasIsFetched(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2)
	img, err := random.Image(2<<20, 2) // smaller layers come with their manifest anyway
	must(t, err)
	pushBlobsOf(t, img, served(t, all[1]))
	pushBlobsOf(t, img, served(t, all[0])) // finds them
	p := newPushed(t, img)
	if has(all[0], p.content) {
		t.Fatal("it is here already")
	}
	putManifest(t, served(t, all[0]), "latest", img)
	if !has(all[0], p.content) || !has(all[1], p.content) {
		t.Error("a layer is on one disk")
	}
}

// TestAMountIsOnTwoDisks: its client pushes no bytes.
func TestAMountIsOnTwoDisks(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckReplicas = 1 })
	content := randomBytes(t, 2<<20)
	uploadTo(t, served(t, all[0]), "a", content)
	wantTwo(t, all)
	d := digest.FromBytes(content)
	send(t, http.StatusCreated, http.MethodPost, "http://"+served(t, all[0])+"/v2/b/blobs/uploads/?mount="+d.String()+"&from=a", "", nil)
	if !has(all[1], content) || missing(all[1], "/docker/registry/v2/repositories/b/_layers/sha256/"+d.Encoded()+"/link") {
		t.Error("the mounted blob is on one disk")
	}
}

// TestAnUploadOfWhatIsHere is acknowledged like any other.
func TestAnUploadOfWhatIsHere(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckReplicas = 1 })
	content := randomBytes(t, 2<<20)
	uploadTo(t, served(t, all[0]), "a", content)
	wantTwo(t, all)
	uploadTo(t, served(t, all[0]), "b", content)
	if !has(all[1], content) {
		t.Error("the blob is on one disk")
	}
}

// TestADeleteAsksNobody.
func TestADeleteAsksNobody(t *testing.T) {
	t.Parallel()
	a := acknowledged(t, 1, func(_ int, p *driver.Parameters) { p.AckReplicas = 1 })[0]
	img, d := image(t)
	must(t, crane.Push(img, served(t, a)+"/a:latest", crane.Insecure))
	a.Stop()
	a.Params.AckReplicas = 2
	a.Restart()
	send(t, http.StatusAccepted, http.MethodDelete, "http://"+served(t, a)+"/v2/a/manifests/"+d, "", nil)
	if s := acks(t, a); s.Given+s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

func sweep(t *testing.T, m *drivertest.Member) {
	t.Helper()
	_, err := m.Collect(t.Context(), driver.CollectOptions{}, func(driver.CollectProgress) {})
	must(t, err)
}

// TestBytesAreHeldUntilTheirEntryComes, though nothing names them and garbage goes at once.
func TestBytesAreHeldUntilTheirEntryComes(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.GC, p.GCGrace = false, 0 })
	content := randomBytes(t, 3<<20)
	c, free, err := all[0].Hold(content)
	must(t, err)
	drivertest.Await(t, "the other has the bytes", func() bool { return all[1].HasBytes(c) })
	for range 2 {
		sweep(t, all[1])
	}
	if !all[1].HasBytes(c) {
		t.Fatal("they were removed before their entry came")
	}
	free()
	drivertest.Await(t, "nobody names them: they go", func() bool {
		sweep(t, all[1])
		return !all[1].HasBytes(c)
	})
}
