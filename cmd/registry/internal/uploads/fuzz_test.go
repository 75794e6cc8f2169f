package uploads

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
)

// FuzzOwner: whatever a client makes of the Location of an upload, it names no owner but the one
// that was signed.
func FuzzOwner(f *testing.F) {
	n := names{self: "12D3KooWA", secrets: [][]byte{[]byte("secret"), []byte("next")}}
	located := func(repository, uuid string) string {
		h := http.Header{"Location": {"http://a/v2/" + repository + "/blobs/uploads/" + uuid + "?_state=x"}}
		n.locate(h, repository)
		return h.Get("Location")
	}
	f.Add(located("a", "1"), "a", "1")
	f.Add("/v2/a/blobs/uploads/1?_member=12D3KooWA.", "a", "1")
	f.Add("?_member=%zz.%00", "", "")
	f.Fuzz(func(t *testing.T, location, repository, uuid string) {
		u, err := url.Parse(location)
		if err != nil {
			return
		}
		if id, ok := n.owner(u.Query(), repository, uuid); ok && id != n.self {
			t.Errorf("%s names %q", location, id)
		}
		r := &http.Request{Method: http.MethodPut, URL: u, RequestURI: u.RequestURI()}
		if at := route.New("").Of(r); at.Kind != route.Other && (at.Repository == "" || strings.Contains(at.Repository, "..")) {
			t.Errorf("%s is about %+v", location, at)
		}
	})
}
