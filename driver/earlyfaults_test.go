package driver_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// linkedDisks are two registries behind links, of which the first acknowledges what is on both.
func linkedDisks(t *testing.T, timeout time.Duration) (a, b *drivertest.Member, links [2]*drivertest.Link) {
	t.Helper()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.AckReplicas, p.AckTimeout = 2, timeout
	a, links[0] = drivertest.StartLinked(t, p)
	p.Bootstrappers, p.AckReplicas, p.DatastorePath = a.Addresses(), 1, t.TempDir()
	b, links[1] = drivertest.StartLinked(t, p)
	drivertest.AwaitMesh(t, a, b)
	drivertest.Await(t, "it is missed when it goes", func() bool { return confirmed(t, a)[b.Identity().PeerID] })
	return a, b, links
}

// patch sends a part of the upload, where the registry has what comes before, or with a range.
func (g *growth) patch(want int, part io.Reader, ranges string) {
	g.Helper()
	req, err := http.NewRequestWithContext(g.Context(), http.MethodPatch, g.at, part)
	must(g.T, err)
	req.Header.Set("Content-Type", "application/octet-stream")
	if ranges != "" {
		req.Header.Set("Content-Range", ranges)
	}
	resp, err := http.DefaultClient.Do(req)
	if want == 0 {
		if err == nil {
			g.Fatalf("answered with %s", resp.Status)
		}
		return
	}
	must(g.T, err)
	must(g.T, resp.Body.Close())
	if resp.StatusCode != want {
		g.Fatalf("answered with %s, not %d", resp.Status, want)
	}
	if want == http.StatusAccepted {
		g.at = resp.Header.Get("Location")
	}
}

// arrived is how many bytes of the upload its registry has.
func (g *growth) arrived() int {
	resp := send(g.T, http.StatusNoContent, http.MethodGet, g.at, "", nil)
	_, last, _ := strings.Cut(resp.Header.Get("Range"), "-")
	n, err := strconv.Atoi(last)
	must(g.T, err)
	g.at = resp.Header.Get("Location")
	return n + 1
}

// requireAsNew waits until nothing of an upload is left but the blob, on each of some registries, of
// which the first takes another push as if nothing had been.
func requireAsNew(t *testing.T, content []byte, all ...*drivertest.Member) {
	t.Helper()
	for _, m := range all {
		if !has(m, content) || !bytes.Equal(get(t, m, pathOf(content)), content) {
			t.Error("it is on too few disks")
		}
		drivertest.Await(t, "nothing but the blob is left", func() bool { return len(stagedFiles(t, m)) == 0 })
		drivertest.Await(t, "no file is open that is gone", func() bool { return openFiles(t, m.Params.DatastorePath, " (deleted)") == 0 })
	}
	g := growing(t, all[0], randomBytes(t, 14<<20))
	awaitTaken(t, len(all)-1, all[1:]...)
	if got := g.end(); got != http.StatusCreated {
		t.Errorf("the next push is answered with %d", got)
	}
	for _, m := range all[1:] {
		if !has(m, g.content) {
			t.Error("the next push is on too few disks")
		}
	}
}

// TestTheLinkFailsWhileAnUploadIsTaken: packets are lost, or the connections break as well, until
// after the upload's end. That is refused, and taken when it is tried again.
func TestTheLinkFailsWhileAnUploadIsTaken(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*drivertest.Link, bool){"mute": (*drivertest.Link).Blackhole, "broken": (*drivertest.Link).Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, links := linkedDisks(t, 2*time.Second)
			g := growing(t, a, randomBytes(t, 20<<20))
			awaitTaken(t, 1, b)
			for _, l := range links {
				set(l, true)
			}
			if got := g.end(); got != http.StatusServiceUnavailable || acks(t, a).Why == "" {
				t.Fatalf("answered with %d", got)
			}
			for _, l := range links {
				set(l, false)
			}
			drivertest.AwaitMesh(t, a, b)
			drivertest.Await(t, "it is acknowledged", func() bool { return g.end() == http.StatusCreated })
			requireAsNew(t, g.content, a, b)
		})
	}
}

// TestTheLinkIsBackBeforeTheEnd of an upload that is taken: its client notices nothing.
func TestTheLinkIsBackBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*drivertest.Link, bool){"mute": (*drivertest.Link).Blackhole, "broken": (*drivertest.Link).Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, links := linkedDisks(t, time.Minute)
			g := growing(t, a, randomBytes(t, 20<<20))
			awaitTaken(t, 1, b)
			for _, l := range links {
				set(l, true)
			}
			g.patch(http.StatusAccepted, bytes.NewReader(g.content[g.sent:g.sent+4<<20]), "")
			g.sent += 4 << 20
			for _, l := range links {
				set(l, false)
			}
			drivertest.AwaitMesh(t, a, b)
			if got := g.end(); got != http.StatusCreated {
				t.Fatalf("answered with %d: %+v", got, acks(t, a))
			}
			requireAsNew(t, g.content, a, b)
		})
	}
}

// TestAnUploadIsTakenAgain when it goes on after the link was cut, or a pause, in which whoever took it
// has given up.
func TestAnUploadIsTakenAgain(t *testing.T) {
	t.Parallel()
	a, b, links := linkedDisks(t, time.Minute)
	a.RetakeAtOnce()
	g := growing(t, a, randomBytes(t, 20<<20))
	awaitTaken(t, 1, b)
	for _, l := range links {
		l.Cut(true)
	}
	requireNothingTaken(t, b)
	drivertest.Await(t, "nobody reads it", func() bool { return openFiles(t, a.Params.DatastorePath, "/data") == 0 })
	for _, l := range links {
		l.Cut(false)
	}
	drivertest.AwaitMesh(t, a, b)
	g.patch(http.StatusAccepted, bytes.NewReader(g.content[g.sent:g.sent+4<<20]), "")
	g.sent += 4 << 20
	awaitTaken(t, 1, b)
	if got := g.end(); got != http.StatusCreated {
		t.Fatalf("answered with %d", got)
	}
	requireAsNew(t, g.content, a, b)
}

// TestTheOnlyTakerGoes and comes back: the upload's end is refused, and taken when it is tried again.
func TestTheOnlyTakerGoes(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckTimeout = 2 * time.Second })
	g := growing(t, all[0], randomBytes(t, 20<<20))
	awaitTaken(t, 1, all[1])
	all[1].Stop()
	if left := stagedFiles(t, all[1]); len(left) > 0 {
		t.Errorf("it leaves %s", left)
	}
	if got := g.end(); got != http.StatusServiceUnavailable {
		t.Fatalf("answered with %d", got)
	}
	all[1].Restart()
	drivertest.AwaitMesh(t, all...)
	drivertest.Await(t, "it is acknowledged", func() bool { return g.end() == http.StatusCreated })
	requireAsNew(t, g.content, all...)
}

// TestTheDiskFillsOfTheTaker: it is named at once, and has nothing of the upload any more. When there
// is room, the upload can be ended.
func TestTheDiskFillsOfTheTaker(t *testing.T) {
	all := acknowledged(t, 2, func(i int, p *driver.Parameters) {
		if i == 1 {
			p.DatastorePath, p.Name = smalldisk.Mount(t, t.TempDir(), "size=536m"), "small"
		}
	})
	g := growing(t, all[0], randomBytes(t, 20<<20))
	awaitTaken(t, 1, all[1])
	free := smalldisk.Fill(t, all[1].Params.DatastorePath, 32<<20)
	if got := g.end(); got != http.StatusServiceUnavailable {
		t.Fatalf("answered with %d", got)
	}
	if why := acks(t, all[0]).Why; !strings.Contains(why, `"small"`) || !strings.Contains(why, "has no room for it") {
		t.Error(why)
	}
	drivertest.Await(t, "the disk has what it had", func() bool { return len(stagedFiles(t, all[1])) == 0 })
	free()
	drivertest.Await(t, "it is acknowledged", func() bool { return g.end() == http.StatusCreated })
	requireAsNew(t, g.content, all...)
}

// TestPartsOfAnUploadThatIsTaken are sent twice, too far ahead, and by a client that hangs up: the
// taker has each byte once.
func TestPartsOfAnUploadThatIsTaken(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2)
	g := growing(t, all[0], randomBytes(t, 30<<20))
	awaitTaken(t, 1, all[1])
	for _, at := range []int{0, 8 << 20, 13 << 20} {
		part := g.content[at : at+4<<20]
		g.patch(http.StatusRequestedRangeNotSatisfiable, bytes.NewReader(part), fmt.Sprintf("%d-%d", at, at+len(part)-1))
	}
	hangsUp := io.MultiReader(bytes.NewReader(g.content[g.sent:g.sent+5<<20]), failing{})
	g.patch(0, hangsUp, "")
	drivertest.Await(t, "what came is there", func() bool { return g.arrived() == g.sent+5<<20 })
	g.sent += 5 << 20
	g.patch(http.StatusAccepted, bytes.NewReader(g.content[g.sent:g.sent+5<<20]), fmt.Sprintf("%d-%d", g.sent, g.sent+5<<20-1))
	g.sent += 5 << 20
	if got := g.end(); got != http.StatusCreated {
		t.Fatalf("answered with %d", got)
	}
	if in := all[1].Status(t.Context()).Transfers.BytesIn; in != int64(len(g.content)) {
		t.Errorf("%d bytes came", in)
	}
	requireAsNew(t, g.content, all...)
}

// failing is a client that goes away.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }
