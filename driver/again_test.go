package driver_test

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestARefusedEndIsRepeated: whoever sent bytes with it, as oras and containerd do, sends them once
// more, in one request as before or in several, and is told until then that they are not here.
func TestARefusedEndIsRepeated(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int{"all in one request": 0, "the rest with the end": 70_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := acknowledged(t, 1)[0]
			host, content := served(t, a), randomBytes(t, 200_000)
			u := &growth{T: t, content: content, sent: first}
			u.at = send(t, http.StatusAccepted, http.MethodPost, "http://"+host+"/v2/a/blobs/uploads/", "", nil).Header.Get("Location")
			if first > 0 {
				u.at = send(t, http.StatusAccepted, http.MethodPatch, u.at, "application/octet-stream", content[:first]).Header.Get("Location")
			}
			for range 2 {
				if got := u.end(); got != http.StatusServiceUnavailable {
					t.Fatalf("answered with %d", got)
				}
			}
			if n := u.arrived(); n != max(1, first) { // distribution says 0-0 of nothing, too
				t.Errorf("%d bytes are said to be here", n)
			}
			u.patch(http.StatusAccepted, bytes.NewReader(content[first:100_000]), "")
			u.sent = 100_000
			if got := u.end(); got != http.StatusServiceUnavailable {
				t.Fatalf("answered with %d", got)
			}
			p := drivertest.Parameters(t, a.Params.ProtectorKey)
			p.Bootstrappers = a.Addresses()
			b := drivertest.Start(t, p)
			drivertest.AwaitMesh(t, a, b)
			if got := u.end(); got != http.StatusCreated {
				t.Fatalf("answered with %d", got)
			}
			for _, m := range []*drivertest.Member{a, b} {
				if !bytes.Equal(get(t, m, pathOf(content)), content) {
					t.Error("other bytes")
				}
			}
			drivertest.Await(t, "nothing is left", func() bool { return len(stagedFiles(t, a)) == 0 })
			send(t, http.StatusNotFound, http.MethodPatch, u.at, "application/octet-stream", nil)
		})
	}
}

// TestARefusedEndIsRepeatedWithLess is no end of that upload.
func TestARefusedEndIsRepeatedWithLess(t *testing.T) {
	t.Parallel()
	a := acknowledged(t, 1)[0]
	content := randomBytes(t, 200_000)
	at := send(t, http.StatusAccepted, http.MethodPost, "http://"+served(t, a)+"/v2/a/blobs/uploads/", "", nil).Header.Get("Location")
	end := at + "&digest=" + digest.FromBytes(content).String()
	send(t, http.StatusServiceUnavailable, http.MethodPut, end, "application/octet-stream", content)
	send(t, http.StatusNotFound, http.MethodPut, end, "application/octet-stream", content[1:]) // distribution's BLOB_UPLOAD_INVALID
}

// TestTheOldestRefusedUploadIsForgotten when there are too many, and no other.
func TestTheOldestRefusedUploadIsForgotten(t *testing.T) {
	t.Parallel()
	r := driver.NewReturned()
	for i := range driver.MaxReturned + 1 {
		r.Note(strconv.Itoa(i), 1)
	}
	if _, ok := r.Take("0", 2); ok {
		t.Error("the oldest is remembered")
	}
	for i := range driver.MaxReturned {
		if _, ok := r.Take(strconv.Itoa(i+1), 2); !ok {
			t.Fatalf("upload %d of %d is forgotten", i+1, driver.MaxReturned)
		}
	}
	if _, ok := r.Take("1", 2); ok {
		t.Error("it is taken twice")
	}
}
