package wire

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

func fuzzCID(f *testing.F) cid.Cid {
	mh, err := multihash.Sum([]byte("a"), multihash.SHA2_256, -1)
	if err != nil {
		f.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// FuzzRefusal: whatever a member answers is an error, which names no more members than are asked.
func FuzzRefusal(f *testing.F) {
	f.Add(300, "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN,x", "")
	f.Add(404, "", damaged)
	f.Add(416, strings.Repeat(",", 1000), "")
	f.Fuzz(func(t *testing.T, status int, relays, partial string) {
		resp := &http.Response{StatusCode: status, Header: http.Header{}}
		resp.Header.Set(relaysHeader, relays)
		resp.Header.Set(partialHeader, partial)
		err := refusal(resp)
		if err == nil || err.Error() == "" {
			t.Error("no error")
		}
		ids := readRelays(relays)
		if len(ids) > maxRelays {
			t.Errorf("%d relays", len(ids))
		}
		if again := readRelays(names(ids)); !slices.Equal(again, ids) {
			t.Errorf("%v became %v", ids, again)
		}
	})
}

// FuzzRequest: what a member asks for is within bounds, whatever it writes.
func FuzzRequest(f *testing.F) {
	c := fuzzCID(f)
	f.Add("size=5&wait=1s&heads="+c.String(), "bytes=0-5")
	f.Add("size=-1&relay&remains&wait=-9h", "bytes=9-1")
	f.Add("fetching&wait=99999999h&heads=,,x", "bytes=-5")
	f.Fuzz(func(t *testing.T, query, ranges string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Range": {ranges}}}
		q := blobRequest(r, c)
		if q.Ranged && (q.From < 0 || q.To < q.From) || q.Wait < 0 {
			t.Errorf("%+v", q)
		}
		k, err := keepRequest(r, c)
		if err == nil && (k.Size < 0 || k.Wait < 0 || k.Wait > maxKeepWait) {
			t.Errorf("%+v", k)
		}
	})
}

// FuzzQuestion: a question about copies names no more blobs than it may.
func FuzzQuestion(f *testing.F) {
	f.Add(`{"cids":["` + fuzzCID(f).String() + `"],"relies":true}`)
	f.Add(`{"cids":[""]}`)
	f.Add(`{"cids":null}x`)
	f.Fuzz(func(t *testing.T, body string) {
		q, err := readQuestion(httptest.NewRequest(http.MethodPost, copiesPath, strings.NewReader(body)))
		if err == nil && (len(q.CIDs) > MaxCopies || slices.Contains(q.CIDs, cid.Undef)) {
			t.Errorf("%v", q.CIDs)
		}
	})
}
