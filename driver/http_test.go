package driver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// served is the host and port of a registry on a member's driver.
func served(t *testing.T, m *drivertest.Member, change ...func(configuration.Storage)) string {
	t.Helper()
	server := httptest.NewServer(registryOn(t, m, change...))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// registryOn is a registry on a member's driver.
func registryOn(t *testing.T, m *drivertest.Member, change ...func(configuration.Storage)) http.Handler {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{
		driver.Name:   {driver.OpenedKey: m.Driver},
		"delete":      {"enabled": true},
		"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
	}}
	for _, f := range change {
		f(config.Storage)
	}
	config.HTTP.Secret = "of this test"
	logrus.SetLevel(logrus.PanicLevel) // distribution logs each request
	return withRefusals(handlers.NewApp(t.Context(), config))
}

// withRefusals answers with the status of the driver's refusal in place of distribution's error, as
// the registry does.
func withRefusals(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, refusals := driver.WithRefusals(r.Context())
		app.ServeHTTP(&refusing{w, refusals}, r.WithContext(ctx))
	})
}

type refusing struct {
	http.ResponseWriter
	refusals *driver.Refusals
}

func (w *refusing) WriteHeader(status int) {
	if r := w.refusals.Last(); r != nil && status >= http.StatusBadRequest {
		status = r.Status
	}
	w.ResponseWriter.WriteHeader(status)
}

// deaf are two registries, served, that hear nothing of what the other announces.
func deaf(t *testing.T) (a, b string, ear *driver.Ear) {
	t.Helper()
	key := drivertest.Key(t)
	first := drivertest.Start(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = first.Addresses()
	ear = &driver.Ear{}
	second := drivertest.Start(t, p, drivertest.OpenedBy(ear.Open))
	drivertest.AwaitMesh(t, first, second)
	ear.Lose.Store(true)
	return served(t, first), served(t, second), ear
}

func image(t *testing.T) (v1.Image, string) {
	t.Helper()
	img, err := random.Image(3000, 2)
	must(t, err)
	d, err := img.Digest()
	must(t, err)
	return img, d.String()
}

// TestAManifestThatWasNotHeardOf was just pushed elsewhere: whatever is asked about
// it first asks the members.
func TestAManifestThatWasNotHeardOf(t *testing.T) {
	t.Parallel()
	a, b, ear := deaf(t)
	began, pushes := time.Now(), 0
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, by := range []string{"tag", "digest"} {
			for i := range 3 { // more of them than regular exchanges
				img, reference := image(t)
				tag := fmt.Sprintf("%s-%s-%d", strings.ToLower(method), by, i)
				must(t, crane.Push(img, a+"/a:"+tag, crane.Insecure))
				pushes++
				if by == "tag" {
					reference = tag
				}
				req, err := http.NewRequest(method, "http://"+b+"/v2/a/manifests/"+reference, nil)
				must(t, err)
				resp, err := http.DefaultClient.Do(req)
				must(t, err)
				must(t, resp.Body.Close())
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s by %s of what was just pushed elsewhere: %s", method, by, resp.Status)
				}
			}
		}
	}
	t.Logf("%d pushes took %s", pushes, time.Since(began))
	drivertest.Await(t, "the messages come, and are lost", func() bool { return ear.Lost.Load() >= int64(pushes) })
}

// TestAManifestOfBlobsThatWereNotHeardOf is pushed to one registry, and the blobs it
// refers to were just pushed to another.
func TestAManifestOfBlobsThatWereNotHeardOf(t *testing.T) {
	t.Parallel()
	a, b, ear := deaf(t)
	for i := range 4 {
		img, _ := image(t)
		pushBlobsOf(t, img, a)
		manifest, err := img.RawManifest()
		must(t, err)
		kind, err := img.MediaType()
		must(t, err)
		req, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://%s/v2/a/manifests/%d", b, i), strings.NewReader(string(manifest)))
		must(t, err)
		req.Header.Set("Content-Type", string(kind))
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("PUT of a manifest whose blobs were just pushed elsewhere: %s", resp.Status)
		}
		got, err := crane.Pull(fmt.Sprintf("%s/a:%d", b, i), crane.Insecure)
		must(t, err)
		must(t, validate.Image(got))
	}
	if ear.Lost.Load() == 0 {
		t.Error("no message was lost")
	}
}

// pushBlobsOf pushes all of an image but its manifest.
func pushBlobsOf(t *testing.T, img v1.Image, registry string) {
	t.Helper()
	repository, err := name.NewRepository(registry+"/a", name.Insecure)
	must(t, err)
	layers, err := img.Layers()
	must(t, err)
	config, err := partial.ConfigLayer(img)
	must(t, err)
	for _, l := range append(layers, config) {
		must(t, remote.WriteLayer(repository, l))
	}
}
