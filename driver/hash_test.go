package driver_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// hashing starts a registry that is configured with a hash function; empty: with none.
func hashing(t *testing.T, key, hash string, bootstrappers []string, opts ...drivertest.Option) *drivertest.Member {
	t.Helper()
	p := drivertest.Parameters(t, key)
	p.Hash, p.Bootstrappers, p.LogLevel = hash, bootstrappers, "warn"
	return drivertest.Start(t, p, opts...)
}

// blobsBy gives the names of a registry's blobs by the function they were made with.
func blobsBy(t *testing.T, m *drivertest.Member) map[string][]string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(m.Params.DatastorePath, "blobs"))
	must(t, err)
	names := map[string][]string{}
	for _, f := range files {
		c, err := cid.Decode(f.Name())
		must(t, err)
		function := multihash.Codes[c.Prefix().MhType]
		names[function] = append(names[function], f.Name())
	}
	return names
}

func awaitHash(t *testing.T, want string, members ...*drivertest.Member) {
	t.Helper()
	for _, m := range members {
		drivertest.Await(t, "it uses "+want, func() bool { return m.Status(t.Context()).Hash == want })
	}
}

// warnings counts what a registry said of its hash function.
func warnings(hook *test.Hook) (n int) {
	for _, e := range hook.AllEntries() {
		if strings.Contains(e.Message, "hash function") {
			n++
		}
	}
	return n
}

// TestHashOfTheSwarm: a swarm that began with sha2-256 goes over to blake3, because one
// registry is configured so and the map says nothing; the second is told nothing, the
// third something else. All follow, and what was there stays as it was.
func TestHashOfTheSwarm(t *testing.T) {
	key := drivertest.Key(t)
	a := hashing(t, key, "", nil)
	old := randomBytes(t, 3<<20+1)
	contents := map[string][]byte{pushBlob(t, a, old): old}
	awaitHash(t, "sha2-256", a)
	before := blobsBy(t, a)["sha2-256"]
	if a.HashSetting() != "" || len(before) != 1 {
		t.Fatalf("a registry that is told nothing writes %q, has %v", a.HashSetting(), before)
	}
	a.Stop()
	a.Params.Hash = "blake3"
	a.Restart()

	push := func(m *drivertest.Member, size int) {
		t.Helper()
		content := randomBytes(t, size)
		contents[pushBlob(t, m, content)] = content
	}
	push(a, 2<<20+5)
	said := &test.Hook{}
	b := hashing(t, key, "", a.Addresses())
	c := hashing(t, key, "sha2-256", a.Addresses(), drivertest.OpenedBy(driver.Logged(said)))
	drivertest.AwaitMesh(t, a, b, c)
	awaitHash(t, "blake3", a, b, c)
	for _, m := range []*drivertest.Member{a, b, c} {
		push(m, 1000)
		push(m, 3<<20)
		manifest := tagLink("a", m.Identity().PeerID)
		contents[manifest] = randomBytes(t, 500)
		put(t, m, manifest, string(contents[manifest]))
	}
	drivertest.AwaitAgreement(t, a, b, c)
	for _, m := range []*drivertest.Member{a, b, c} {
		for path, content := range contents {
			if !bytes.Equal(get(t, m, path), content) {
				t.Errorf("%s has other bytes", path)
			}
		}
		var names map[string][]string
		drivertest.Await(t, "all is fetched", func() bool { // a blob is counted a moment before its file has its name
			names = blobsBy(t, m)
			return len(names["sha2-256"])+len(names["blake3"]) == len(contents)
		})
		if len(names["sha2-256"]) != 1 || names["sha2-256"][0] != before[0] || len(names["blake3"]) != len(contents)-1 {
			t.Errorf("blobs %v, the old one is %v", names, before)
		}
		if got := m.HashSetting(); got != "blake3" {
			t.Errorf("the map says %q", got)
		}
	}
	if n := warnings(said); n != 1 {
		t.Errorf("the one that is configured otherwise said so %d times", n)
	}
	// A push of what is there already changes nothing, however it comes.
	pushBlob(t, b, old)
	if err := b.PutContent(t.Context(), blobPath(digest.FromBytes(old)), old); err != nil {
		t.Fatal(err)
	}
	if names := blobsBy(t, b); !slices.Equal(names["sha2-256"], before) || len(names["blake3"]) != len(contents)-1 {
		t.Errorf("blobs %v, the old one is %v", names, before)
	}
}

// TestAJoiningRegistryLearnsFirst: it is pushed to before it met anybody.
func TestAJoiningRegistryLearnsFirst(t *testing.T) {
	key := drivertest.Key(t)
	a := hashing(t, key, "blake3", nil)
	pushBlob(t, a, randomBytes(t, 1000))
	b := hashing(t, key, "sha2-256", a.Addresses())
	path := pushBlob(t, b, randomBytes(t, 1000))
	if names := blobsBy(t, b); len(names["blake3"]) != 1 {
		t.Errorf("its first blob is %v", names)
	}
	get(t, a, path)
	if a.HashSetting() != "blake3" || b.HashSetting() != "blake3" {
		t.Errorf("the map says %q and %q", a.HashSetting(), b.HashSetting())
	}
}

// TestHashWaitsForTheSwarm: a registry that reaches no member of its swarm works with its own
// function, and writes the configured one only when the others are back and have none.
func TestHashWaitsForTheSwarm(t *testing.T) {
	key := drivertest.Key(t)
	a := hashing(t, key, "", nil)
	addrs := a.Addresses()
	a.Stop()
	b := hashing(t, key, "blake3", addrs)
	for range 2 {
		pushBlob(t, b, randomBytes(t, 1000))
	}
	if names := blobsBy(t, b); len(names["blake3"]) != 2 || b.HashSetting() != "" {
		t.Errorf("blobs %v, the map says %q", names, b.HashSetting())
	}
	a.Params.ListenAddrs = []string{strings.Split(addrs[0], "/p2p/")[0]}
	a.Restart()
	drivertest.AwaitMesh(t, a, b)
	pushBlob(t, b, randomBytes(t, 1000))
	awaitHash(t, "blake3", a)
}

// TestHashesOfTwoSwarmsThatMeet: each wrote its own; the greater version wins at run
// time, everywhere.
func TestHashesOfTwoSwarmsThatMeet(t *testing.T) {
	key := drivertest.Key(t)
	a, b := hashing(t, key, "blake3", nil), hashing(t, key, "sha2-256", nil)
	put(t, a, tagLink("a", "one"), "sha256:x") // a's counter is ahead
	contents := map[string][]byte{}
	push := func(m *drivertest.Member) {
		t.Helper()
		content := randomBytes(t, 1<<20+1)
		contents[pushBlob(t, m, content)] = content
	}
	push(a)
	push(b)
	if a.HashSetting() != "blake3" || b.HashSetting() != "sha2-256" {
		t.Fatalf("the maps say %q and %q", a.HashSetting(), b.HashSetting())
	}
	b.Stop()
	b.Params.Bootstrappers = a.Addresses()
	said := &test.Hook{}
	drivertest.OpenedBy(driver.Logged(said))(b)
	b.Restart()
	drivertest.AwaitAgreement(t, a, b)
	awaitHash(t, "blake3", a, b)
	if n := warnings(said); n != 1 {
		t.Errorf("it said %d times that it follows", n)
	}
	push(a)
	push(b)
	drivertest.AwaitAgreement(t, a, b)
	for path, content := range contents {
		if !bytes.Equal(get(t, a, path), content) || !bytes.Equal(get(t, b, path), content) {
			t.Errorf("%s has other bytes", path)
		}
	}
}

// TestReadOnlyNeverWritesTheHash: other registries would drop it.
func TestReadOnlyNeverWritesTheHash(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Hash, p.TrustedPeers = "blake3", []string{somePeer}
	m := drivertest.Start(t, p)
	w, err := m.Writer(t.Context(), "/docker/registry/v2/repositories/a/_uploads/1/data", false)
	must(t, err)
	must(t, w.Cancel(t.Context()))
	if err := m.PutContent(asRequest(t, http.MethodPut), tagLink("a", "x"), make([]byte, 500)); err == nil {
		t.Error("it took a push")
	}
	if got := m.HashSetting(); got != "" {
		t.Errorf("its map says %q", got)
	}
}

// TestHashOfALaterRelease: it is left as it is, and this registry goes on with what
// every release reads.
func TestHashOfALaterRelease(t *testing.T) {
	said := &test.Hook{}
	m := hashing(t, drivertest.Key(t), "blake3", nil, drivertest.OpenedBy(driver.Logged(said)))
	m.UseHash("blake4")
	content := randomBytes(t, 1000)
	path := pushBlob(t, m, content)
	if !bytes.Equal(get(t, m, path), content) {
		t.Error("other bytes")
	}
	if names := blobsBy(t, m); len(names["sha2-256"]) != 1 || m.HashSetting() != "blake4" || m.Status(t.Context()).Hash != "sha2-256" {
		t.Errorf("blobs %v, the map says %q", names, m.HashSetting())
	}
	if n := warnings(said); n != 1 {
		t.Errorf("it said so %d times", n)
	}
}
