package driver_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// TestWhoReliesOnACopyFindsIt: a copy that a request relies on, here or on a member, while others
// are asked whether they keep it, stays. What no request relies on goes.
func TestWhoReliesOnACopyFindsIt(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	a, b := "http://"+served(t, all[0]), "http://"+served(t, all[1])
	img, err := random.Image(5<<20, 1) // beyond what counts as a manifest, and is fetched
	must(t, err)
	must(t, crane.Push(img, a[len("http://"):]+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	p := newPushed(t, img)
	layer, path := p.layer.String(), blobPath(p.layer)
	manifest, err := img.RawManifest()
	must(t, err)
	kind, err := img.MediaType()
	must(t, err)
	uses := map[string]func(){
		"nothing": func() {},
		"HEAD":    func() { send(t, http.StatusOK, http.MethodHead, a+"/v2/a/blobs/"+layer, "", nil) },
		"HEAD elsewhere": func() {
			send(t, http.StatusOK, http.MethodHead, b+"/v2/a/blobs/"+layer, "", nil)
		},
		"mount": func() {
			send(t, http.StatusCreated, http.MethodPost, a+"/v2/b/blobs/uploads/?from=a&mount="+layer, "", nil)
		},
		"pushed again": func() {
			resp := send(t, http.StatusAccepted, http.MethodPost, a+"/v2/c/blobs/uploads/", "", nil)
			send(t, http.StatusCreated, http.MethodPut, resp.Header.Get("Location")+"&digest="+layer, "application/octet-stream", p.content)
		},
		"a manifest": func() {
			send(t, http.StatusCreated, http.MethodPut, a+"/v2/a/manifests/2", string(kind), manifest)
		},
	}
	for name, use := range uses {
		relies := name != "nothing"
		err := all[0].GiveUpAfter(t.Context(), path, use)
		if has(all[0], p.content) != relies || errors.Is(err, blob.ErrUsed) != relies {
			t.Errorf("%s: here %v, %v", name, has(all[0], p.content), err)
		}
		pushBlob(t, all[0], p.content)
	}
}
