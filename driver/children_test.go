package driver_test

import (
	"bytes"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestWhoHoldsALayerIsAskedAnew by each push of a manifest, or of an index of that: what a
// member said before may be the answer to a HEAD, and the bytes may have gone since.
func TestWhoHoldsALayerIsAskedAnew(t *testing.T) {
	for name, push := range map[string]func(host string, p pushed) int{
		"manifest": func(host string, p pushed) int {
			raw, err := p.RawManifest()
			must(t, err)
			return putAny(t, host, types.DockerManifestSchema2, raw)
		},
		"index": func(host string, p pushed) int {
			index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: p.Image})
			raw, err := index.RawManifest()
			must(t, err)
			return putAny(t, host, types.OCIImageIndex, raw)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := drivertest.Cluster(t, 2)
			a, b := served(t, c[0]), served(t, c[1])
			img, err := random.Image(5<<20, 1) // beyond what counts as a manifest, and is fetched
			must(t, err)
			p := newPushed(t, img)
			must(t, crane.Push(img, a+"/a:1", crane.Insecure))
			drivertest.AwaitAgreement(t, c...)
			if got := push(b, p); got != http.StatusCreated {
				t.Fatalf("with the layer on another registry: %d", got)
			}
			mustAsk(t, http.StatusOK, http.MethodHead, b, "/v2/a/blobs/"+p.layer.String())
			must(t, os.Remove(fileOf(t, c[0], blobPath(p.layer))))
			if got := push(b, p); got != http.StatusNotFound && got != http.StatusBadRequest {
				t.Fatalf("with the layer nowhere: %d", got)
			}
		})
	}
}

// putAny pushes a manifest, and gives the status.
func putAny(t *testing.T, host string, kind types.MediaType, raw []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+host+"/v2/a/manifests/2", bytes.NewReader(raw))
	must(t, err)
	req.Header.Set("Content-Type", string(kind))
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	return resp.StatusCode
}
