package driver_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// apart are three registries, served, whose links are cut and healed together.
type apart struct {
	members [3]*drivertest.Member
	links   [3]*drivertest.Link
	hosts   [3]string
}

func newApart(t *testing.T) *apart {
	t.Helper()
	a := &apart{}
	key := drivertest.Key(t)
	for i := range a.members {
		p := drivertest.Parameters(t, key)
		if i > 0 {
			p.Bootstrappers = a.members[0].Addresses()
		}
		a.members[i], a.links[i] = drivertest.StartLinked(t, p)
		a.hosts[i] = served(t, a.members[i])
	}
	drivertest.AwaitMesh(t, a.members[:]...)
	return a
}

func (a *apart) cut(t *testing.T, cut bool) {
	t.Helper()
	for _, l := range a.links {
		l.Cut(cut)
	}
	if !cut {
		drivertest.AwaitMesh(t, a.members[:]...)
		drivertest.AwaitAgreement(t, a.members[:]...)
		return
	}
	drivertest.Await(t, "all are alone", func() bool {
		for _, m := range a.members {
			for _, o := range m.Status(t.Context()).Members {
				if o.Connected {
					return false
				}
			}
		}
		return true
	})
}

// pushed is an image as the tests look at it.
type pushed struct {
	v1.Image
	manifest digest.Digest
	layer    digest.Digest // its first
	content  []byte        // of that
}

func newPushed(t *testing.T, img v1.Image) pushed {
	t.Helper()
	manifest, err := img.Digest()
	must(t, err)
	layers, err := img.Layers()
	must(t, err)
	layer, err := layers[0].Digest()
	must(t, err)
	r, err := layers[0].Compressed()
	must(t, err)
	content, err := io.ReadAll(r)
	must(t, err)
	return pushed{img, digest.Digest(manifest.String()), digest.Digest(layer.String()), content}
}

// other is another image of the same layers.
func (p pushed) other(t *testing.T) pushed {
	t.Helper()
	img, err := mutate.Config(p.Image, v1.Config{Cmd: []string{"other"}})
	must(t, err)
	return newPushed(t, img)
}

func send(t *testing.T, want int, method, url, kind string, body []byte) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != want {
		t.Fatalf("%s %s: %s", method, url, resp.Status)
	}
	return resp
}

func uploadTo(t *testing.T, host, repository string, content []byte) {
	t.Helper()
	at := send(t, http.StatusAccepted, http.MethodPost, "http://"+host+"/v2/"+repository+"/blobs/uploads/", "", nil).Header.Get("Location")
	send(t, http.StatusCreated, http.MethodPut, at+"&digest="+digest.FromBytes(content).String(), "application/octet-stream", content)
}

func putManifest(t *testing.T, host, reference string, m interface {
	RawManifest() ([]byte, error)
	MediaType() (types.MediaType, error)
}) {
	t.Helper()
	raw, err := m.RawManifest()
	must(t, err)
	kind, err := m.MediaType()
	must(t, err)
	send(t, http.StatusCreated, http.MethodPut, "http://"+host+"/v2/a/manifests/"+reference, string(kind), raw)
}

// deleteAll removes all that a collector or a client could of an image: its revision,
// the links of its layer, and the bytes of both.
func deleteAll(t *testing.T, m *drivertest.Member, p pushed) {
	t.Helper()
	for _, path := range []string{
		repositoryA + "/_manifests/revisions/sha256/" + p.manifest.Encoded() + "/link",
		repositoryA + "/_layers/sha256/" + p.layer.Encoded() + "/link", blobPath(p.layer), blobPath(p.manifest),
	} {
		must(t, m.Delete(t.Context(), path))
	}
}

// TestAPushSurvivesADeleteThatNeverSawIt: a registry that is cut off tells a client
// that content is there. It is still there when the others, which deleted it meanwhile, are
// back.
func TestAPushSurvivesADeleteThatNeverSawIt(t *testing.T) {
	for name, push := range map[string]func(t *testing.T, host string, p pushed) (paths []string){
		"bytes": func(t *testing.T, host string, p pushed) []string {
			uploadTo(t, host, "a", p.content)
			return []string{"a/blobs/" + p.layer.String()}
		},
		"HEAD": func(t *testing.T, host string, p pushed) []string {
			path := "a/blobs/" + p.layer.String()
			mustAsk(t, http.StatusOK, http.MethodHead, host, "/v2/"+path)
			return []string{path}
		},
		"mount": func(t *testing.T, host string, p pushed) []string {
			send(t, http.StatusCreated, http.MethodPost, "http://"+host+"/v2/b/blobs/uploads/?from=a&mount="+p.layer.String(), "", nil)
			return []string{"b/blobs/" + p.layer.String()}
		},
		"manifest": func(t *testing.T, host string, p pushed) []string {
			other := p.other(t)
			config, err := other.RawConfigFile()
			must(t, err)
			uploadTo(t, host, "a", config)
			putManifest(t, host, "other", other)
			return []string{"a/blobs/" + p.layer.String(), "a/manifests/other", "a/manifests/" + other.manifest.String()}
		},
		"the same manifest": func(t *testing.T, host string, p pushed) []string {
			putManifest(t, host, "again", p)
			return []string{"a/blobs/" + p.layer.String(), "a/manifests/again"}
		},
		"index": func(t *testing.T, host string, p pushed) []string {
			putManifest(t, host, "index", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: p.Image}))
			return []string{"a/manifests/index", "a/manifests/" + p.manifest.String(), "a/blobs/" + p.layer.String()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newApart(t)
			img, _ := image(t)
			p := newPushed(t, img)
			must(t, crane.Push(img, r.hosts[0]+"/a:1", crane.Insecure))
			here, err := crane.Pull(r.hosts[1]+"/a:1", crane.Insecure)
			must(t, err)
			must(t, validate.Image(here))
			drivertest.AwaitAgreement(t, r.members[:]...)
			r.cut(t, true)
			paths := push(t, r.hosts[1], p)
			deleteAll(t, r.members[0], p)
			r.cut(t, false)
			for i, host := range r.hosts {
				for _, path := range paths {
					if got := ask(t, http.MethodGet, host, "/v2/"+path); got != http.StatusOK {
						t.Errorf("%s on registry %d: %d", path, i, got)
					}
				}
			}
		})
	}
}

// TestAPushOfBytesThatWereNotHere is the same where the registry knew the layer and had
// not fetched it.
func TestAPushOfBytesThatWereNotHere(t *testing.T) {
	t.Parallel()
	r := newApart(t)
	img, _ := image(t)
	p := newPushed(t, img)
	must(t, crane.Push(img, r.hosts[0]+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, r.members[:]...)
	r.cut(t, true)
	other := p.other(t)
	must(t, crane.Push(other.Image, r.hosts[1]+"/a:2", crane.Insecure))
	deleteAll(t, r.members[0], p)
	r.cut(t, false)
	for _, host := range r.hosts {
		for _, path := range []string{"manifests/2", "blobs/" + p.layer.String()} {
			mustAsk(t, http.StatusOK, http.MethodGet, host, "/v2/a/"+path)
		}
	}
}

// TestEntriesAreRenewedOnce: the first HEAD of a blob that was pushed elsewhere
// writes one delta, no other does; and what a manifest relies on, in however many layers,
// goes with its own entries.
func TestEntriesAreRenewedOnce(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	a, b := served(t, c[0]), served(t, c[1])
	img, _ := image(t)
	p := newPushed(t, img)
	must(t, crane.Push(img, a+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, c...)
	state := func() string { return c[0].Status(t.Context()).Map.Digest + c[1].Status(t.Context()).Map.Digest }
	before := state()
	for range 3 { // the registry to which it was pushed writes nothing
		mustAsk(t, http.StatusOK, http.MethodHead, a, "/v2/a/blobs/"+p.layer.String())
		mustAsk(t, http.StatusOK, http.MethodGet, b, "/v2/a/blobs/"+p.layer.String())
		mustAsk(t, http.StatusOK, http.MethodGet, b, "/v2/a/manifests/1")
	}
	if state() != before {
		t.Error("a GET, or a HEAD where the blob was pushed, wrote something")
	}
	deltas := c[1].Deltas()
	for i := range 3 {
		mustAsk(t, http.StatusOK, http.MethodHead, b, "/v2/a/blobs/"+p.layer.String())
		if n := c[1].Deltas() - deltas; n != 1 {
			t.Errorf("HEAD %d: %d deltas in all", i+1, n)
		}
	}
	deltas = c[1].Deltas()
	putManifest(t, b, "1", p)
	if n := c[1].Deltas() - deltas; n != 1 {
		t.Errorf("a manifest that was pushed elsewhere made %d deltas", n)
	}
	for _, path := range []string{repositoryA + "/_layers/sha256/" + p.layer.Encoded() + "/link", blobPath(p.layer), blobPath(p.manifest)} {
		if w := c[1].WriterOf(path); w != c[1].Identity().PeerID {
			t.Errorf("the newest version of %s is of %s", path, w)
		}
	}
}

// TestAManifestReliesOnAllThatItNames, also when distribution does not look it up because it
// remembers it.
func TestAManifestReliesOnAllThatItNames(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	a := served(t, c[0])
	b := served(t, c[1], func(s configuration.Storage) { s["cache"] = configuration.Parameters{"blobdescriptor": "inmemory"} })
	img, _ := image(t)
	p := newPushed(t, img)
	must(t, crane.Push(img, a+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, c...)
	must(t, crane.Push(p.other(t).Image, b+"/a:2", crane.Insecure)) // it remembers the layers
	drivertest.AwaitAgreement(t, c...)
	mustAsk(t, http.StatusOK, http.MethodHead, a, "/v2/a/blobs/"+p.layer.String())
	drivertest.AwaitAgreement(t, c...)
	data := blobPath(p.layer)
	if w := c[1].WriterOf(data); w != c[0].Identity().PeerID {
		t.Fatalf("the newest version is of %s: nothing is tested", w)
	}
	other, err := mutate.Config(img, v1.Config{Cmd: []string{"another"}})
	must(t, err)
	must(t, crane.Push(other, b+"/a:3", crane.Insecure))
	for _, path := range []string{data, repositoryA + "/_layers/sha256/" + p.layer.Encoded() + "/link"} {
		if w := c[1].WriterOf(path); w != c[1].Identity().PeerID {
			t.Errorf("%s was not renewed", path)
		}
	}
}

// TestHEADOnAFullDisk: what is here is there for clients, though no entry of it can be
// renewed; a push that relies on it renews them, or is refused.
func TestHEADOnAFullDisk(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	smalldisk.Mount(t, p.DatastorePath, "size=236m")
	m := drivertest.Start(t, p)
	path := pushBlob(t, m, randomBytes(t, 1000))
	m.Stop()
	m.Restart() // so that it wrote nothing lately
	free := smalldisk.Fill(t, p.DatastorePath, 0)
	head := asRequest(t, http.MethodHead, "vars.digest")
	if _, err := m.Stat(head, path); err != nil {
		t.Error(err)
	}
	free()
	before := m.Deltas()
	drivertest.Await(t, "it is renewed when there is room", func() bool {
		_, err := m.Stat(head, path)
		must(t, err)
		return m.Deltas() > before
	})
}
