package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

func backUpTo(t *testing.T, m *drivertest.Member, o driver.BackupOptions) driver.Backup {
	t.Helper()
	b, err := driver.NewClient(m.Params).Backup(t.Context(), o, func(driver.BackupProgress) {})
	must(t, err)
	if b.FaultCount != 0 {
		t.Fatalf("%+v", b)
	}
	return b
}

func restoreFrom(t *testing.T, p driver.Parameters, o driver.RestoreOptions) driver.Restore {
	t.Helper()
	r, err := driver.RestoreBackup(t.Context(), p, o, func(driver.BackupProgress) {})
	must(t, err)
	return r
}

// elsewhere are the parameters of a registry with another, empty datastore.
func elsewhere(t *testing.T, m *drivertest.Member) driver.Parameters {
	t.Helper()
	p := m.Params
	p.DatastorePath = t.TempDir()
	return p
}

// pushing pushes images until it is told to end, and then says which were acknowledged.
func pushing(t *testing.T, host, repository string) (acknowledged func() map[string]v1.Image, end func()) {
	var mu sync.Mutex
	done := map[string]v1.Image{}
	ctx, cancel := context.WithCancel(t.Context())
	var pushes sync.WaitGroup
	pushes.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			img := someImage(t, 20_000, 2)
			of := fmt.Sprintf("%s:%d", repository, i)
			if err := crane.Push(img, host+"/"+of, crane.Insecure); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			done[of] = img
			mu.Unlock()
		}
	})
	return func() map[string]v1.Image {
			mu.Lock()
			defer mu.Unlock()
			some := map[string]v1.Image{}
			for of, img := range done {
				some[of] = img
			}
			return some
		}, func() {
			cancel()
			pushes.Wait()
		}
}

// TestBackupOfThree: one of three registries is backed up while it takes pushes, and is lost. It is
// restored as itself, and as a new member: both have all that was acknowledged before the backup, also
// alone, and with the others all that was acknowledged since by anybody that is left; what was deleted
// stays deleted.
func TestBackupOfThree(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 3)
	lost, others := all[0], all[1:]
	host, other := served(t, lost), served(t, others[0])
	for of, at := range map[string]string{"kept:1": host, "deleted:1": host, "moved:1": host, "theirs:1": other} {
		must(t, crane.Push(someImage(t, 3<<20, 1), at+"/"+of, crane.Insecure))
	}
	kept, err := crane.Pull(host+"/kept:1", crane.Insecure)
	must(t, err)
	drivertest.AwaitAgreement(t, all...)

	acknowledged, end := pushing(t, host, "during")
	drivertest.Await(t, "a push was acknowledged", func() bool { return len(acknowledged()) > 0 })
	before := acknowledged()
	dir := t.TempDir()
	b := backUpTo(t, lost, driver.BackupOptions{Dir: dir})
	if b.Elsewhere.Blobs == 0 || b.There.Blobs != 0 {
		t.Errorf("%+v", b)
	}
	end()
	before["kept:1"] = kept
	since := map[string]v1.Image{"since:1": someImage(t, 1<<20, 1), "moved:1": someImage(t, 1<<20, 1), "since:2": someImage(t, 1<<20, 1)}
	must(t, crane.Push(since["since:1"], host+"/since:1", crane.Insecure))
	must(t, crane.Push(since["moved:1"], host+"/moved:1", crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	for of, img := range since { // the others hold the bytes, too
		if of != "since:2" {
			requireImage(t, other+"/"+of, img)
		}
	}
	must(t, crane.Delete(other+"/deleted:1", crane.Insecure))
	lost.Stop()
	must(t, crane.Push(since["since:2"], other+"/since:2", crane.Insecure))

	alone := elsewhere(t, lost)
	alone.Bootstrappers = nil
	restoreFrom(t, alone, driver.RestoreOptions{Dir: dir, AsNew: true})
	alone.Offline = true
	single := served(t, drivertest.Start(t, alone))
	for of, img := range before {
		requireImage(t, single+"/"+of, img)
	}

	for name, asNew := range map[string]bool{"as itself": false, "as a new member": true} {
		p := elsewhere(t, lost)
		p.Bootstrappers = others[0].Addresses()
		r := restoreFrom(t, p, driver.RestoreOptions{Dir: dir, AsNew: asNew})
		if r.FaultCount != 0 || r.Blobs.Blobs == 0 || r.Backup.Peer != lost.Identity().PeerID {
			t.Errorf("%s: %+v", name, r)
		}
		m := drivertest.Start(t, p)
		if same := m.Identity().PeerID == lost.Identity().PeerID; same == asNew {
			t.Errorf("%s: %s was %s", name, m.Identity().PeerID, lost.Identity().PeerID)
		}
		drivertest.AwaitAgreement(t, append(others, m)...)
		back := served(t, m)
		for _, images := range []map[string]v1.Image{before, since} {
			for of, img := range images {
				requireImage(t, back+"/"+of, img)
			}
		}
		mustAsk(t, http.StatusNotFound, http.MethodGet, back, "/v2/deleted/manifests/1")
		next := someImage(t, 1000, 1)
		must(t, crane.Push(next, back+"/again:1", crane.Insecure))
		drivertest.AwaitAgreement(t, append(others, m)...)
		requireImage(t, other+"/again:1", next)
		m.Stop()
	}
}

// TestBackupAgain shares the blobs that are there, and leaves nothing of the earlier one.
func TestBackupAgain(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host, dir := served(t, m), t.TempDir()
	must(t, crane.Push(someImage(t, 1<<20, 2), host+"/a:1", crane.Insecure))
	first := backUpTo(t, m, driver.BackupOptions{Dir: dir})
	img := someImage(t, 1<<20, 2)
	must(t, crane.Push(img, host+"/a:2", crane.Insecure))
	second := backUpTo(t, m, driver.BackupOptions{Dir: dir})
	if n := writtenIn(first); n != second.There.Blobs || n != writtenIn(second) || second.Removed != 0 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	mustAsk(t, http.StatusAccepted, http.MethodDelete, host, "/v2/a/manifests/1")
	_, err := m.Collect(t.Context(), driver.CollectOptions{Untagged: true, Grace: new(time.Duration)}, func(driver.CollectProgress) {})
	must(t, err)
	m.Stop()
	third, err := driver.BackupStopped(t.Context(), m.Params, driver.BackupOptions{Dir: dir}, func(driver.BackupProgress) {})
	must(t, err)
	if third.Running || writtenIn(third) != 0 {
		t.Errorf("%+v", third)
	}
	names, err := filepath.Glob(filepath.Join(dir, "blobs/*"))
	must(t, err)
	if len(names) != third.There.Blobs {
		t.Errorf("%d blobs in it, %+v", len(names), third)
	}
	p := elsewhere(t, m)
	restoreFrom(t, p, driver.RestoreOptions{Dir: dir})
	requireImage(t, served(t, drivertest.Start(t, p))+"/a:2", img)
}

func writtenIn(b driver.Backup) int { return b.Cloned.Blobs + b.Linked.Blobs + b.Copied.Blobs }

// TestBackupWhileBlobsGo has all that its map names, though it is deleted meanwhile. What is pushed meanwhile is not
// counted as what only others have.
func TestBackupWhileBlobsGo(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host, dir := served(t, m), t.TempDir()
	img := someImage(t, 1<<20, 2)
	must(t, crane.Push(img, host+"/a:1", crane.Insecure))
	b, err := driver.BackupBetween(t.Context(), m.Driver, driver.BackupOptions{Dir: dir}, func() {
		mustAsk(t, http.StatusAccepted, http.MethodDelete, host, "/v2/a/manifests/1")
		_, err := m.Collect(t.Context(), driver.CollectOptions{Untagged: true, Grace: new(time.Duration)}, func(driver.CollectProgress) {})
		must(t, err)
		must(t, crane.Push(someImage(t, 1000, 1), host+"/a:2", crane.Insecure))
	})
	must(t, err)
	if b.FaultCount != 0 || b.Elsewhere.Blobs != 0 {
		t.Errorf("%+v", b)
	}
	mustAsk(t, http.StatusNotFound, http.MethodGet, host, "/v2/a/manifests/1")
	p := elsewhere(t, m)
	restoreFrom(t, p, driver.RestoreOptions{Dir: dir, AsNew: true})
	requireImage(t, served(t, drivertest.Start(t, p))+"/a:1", img)
}

// TestBackupOfWhatIsDamaged keeps what the earlier backup has of a blob that was damaged here since, whether or not that
// is known, also without a restart: it may be the only whole copy. What was mended takes the place of what was
// damaged when the earlier backup was made.
func TestBackupOfWhatIsDamaged(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, m *drivertest.Member, path, file string){
		"not known": func(t *testing.T, _ *drivertest.Member, _, file string) { flipBit(t, file, 1000, false) },
		"known": func(t *testing.T, m *drivertest.Member, path, file string) {
			flipBit(t, file, 1000, false)
			if _, err := readFrom(m, path, 0); err == nil || len(damaged(m)) != 1 {
				t.Errorf("%v, damaged are %v", err, damaged(m))
			}
		},
		"gone": func(t *testing.T, _ *drivertest.Member, _, file string) { must(t, os.Remove(file)) },
		"gone before a start": func(t *testing.T, m *drivertest.Member, _, file string) {
			m.Stop()
			must(t, os.Remove(file))
			m.Restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := drivertest.Parameters(t, drivertest.Key(t))
			p.Replicas = 1
			m := drivertest.Start(t, p)
			content, dir := randomBytes(t, 3*leafSize+3), t.TempDir()
			path := pushBlob(t, m, content)
			backUpTo(t, m, driver.BackupOptions{Dir: dir})
			copied(t, dir)
			harm(t, m, path, fileOf(t, m, path))
			for range 2 {
				if b := backUpTo(t, m, driver.BackupOptions{Dir: dir}); b.There.Blobs != 1 || b.Removed != 0 || b.Elsewhere.Blobs != 0 {
					t.Errorf("%+v", b)
				}
			}
			m.Stop()
			p = elsewhere(t, m)
			if r := restoreFrom(t, p, driver.RestoreOptions{Dir: dir}); r.FaultCount != 0 || r.Blobs.Blobs != 1 {
				t.Errorf("%+v", r)
			}
			requireRead(t, drivertest.Start(t, p), path, content)
		})
	}
}

// copied makes all blobs of a backup files of their own, as they are on another disk.
func copied(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "blobs/*"))
	must(t, err)
	for _, name := range names {
		content, err := os.ReadFile(name)
		must(t, err)
		must(t, os.Remove(name))
		must(t, os.WriteFile(name, content, 0o600))
	}
}

// TestBackupOfWhatWasMended takes it in the place of what was damaged when the earlier backup was made.
func TestBackupOfWhatWasMended(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	content, dir := randomBytes(t, 3000), t.TempDir()
	path := pushBlob(t, m, content)
	flipBit(t, fileOf(t, m, path), 1000, true)
	backUpTo(t, m, driver.BackupOptions{Dir: dir})
	flipBit(t, fileOf(t, m, path), 1001, false)
	if _, err := readFrom(m, path, 0); err == nil {
		t.Error("it is not damaged")
	}
	pushBlob(t, m, content)
	if b := backUpTo(t, m, driver.BackupOptions{Dir: dir}); b.There.Blobs != 0 {
		t.Errorf("%+v", b)
	}
	p := elsewhere(t, m)
	m.Stop()
	if r := restoreFrom(t, p, driver.RestoreOptions{Dir: dir}); r.FaultCount != 0 {
		t.Errorf("%+v", r)
	}
}

// TestNothingIsWrittenIntoARegistrysData: a backup has its blobs under the names that they have there, and removes
// what it does not know, as what is pushed meanwhile.
func TestNothingIsWrittenIntoARegistrysData(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	other := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	pushBlob(t, other, randomBytes(t, 1000))
	data, link := m.Params.DatastorePath, filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(data, link))
	before, err := filepath.Glob(filepath.Join(other.Params.DatastorePath, "blobs/*"))
	must(t, err)
	for _, dir := range []string{data, data + "/blobs", data + "/new/deep", link, link + "/new", other.Params.DatastorePath} {
		_, errBackup := m.Backup(t.Context(), driver.BackupOptions{Dir: dir}, func(driver.BackupProgress) {})
		_, errMap := m.Backup(t.Context(), driver.BackupOptions{Dir: dir, MapOnly: true}, func(driver.BackupProgress) {})
		_, errExport := m.Export(t.Context(), driver.ExportOptions{Dir: dir}, func(driver.ExportProgress) {})
		for _, err := range []error{errBackup, errMap, errExport} {
			if err == nil || !strings.Contains(err.Error(), "keeps its data there") || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %v", dir, err)
			}
		}
	}
	after, err := filepath.Glob(filepath.Join(other.Params.DatastorePath, "blobs/*"))
	must(t, err)
	if len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("there were %v, and are %v", before, after)
	}
	if _, err := os.Stat(data + "/new"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestBackupOfTheMap leaves the blobs to the members.
func TestBackupOfTheMap(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	img := someImage(t, 1<<20, 2)
	must(t, crane.Push(img, served(t, all[0])+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, all...)
	requireImage(t, served(t, all[1])+"/a:1", img)
	dir := t.TempDir()
	backUpTo(t, all[0], driver.BackupOptions{Dir: dir, MapOnly: true})
	names, err := filepath.Glob(filepath.Join(dir, "blobs/*"))
	must(t, err)
	if len(names) != 0 {
		t.Errorf("%v", names)
	}
	all[0].Stop()
	p := elsewhere(t, all[0])
	p.Bootstrappers = all[1].Addresses()
	if r := restoreFrom(t, p, driver.RestoreOptions{Dir: dir}); !r.Backup.MapOnly || r.FaultCount != 0 {
		t.Errorf("%+v", r)
	}
	requireImage(t, served(t, drivertest.Start(t, p))+"/a:1", img)
}

// TestRestoreInterrupted: no registry starts on a part, and the next run goes on.
func TestRestoreInterrupted(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host, dir := served(t, m), t.TempDir()
	img := someImage(t, 1<<20, 5)
	must(t, crane.Push(img, host+"/a:1", crane.Insecure))
	backUpTo(t, m, driver.BackupOptions{Dir: dir})
	m.Stop()

	p := elsewhere(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := driver.RestoreBackup(ctx, p, driver.RestoreOptions{Dir: dir}, func(driver.BackupProgress) {})
		ended <- err
	}()
	drivertest.Await(t, "a blob came, or it is over", func() bool {
		names, _ := filepath.Glob(filepath.Join(p.DatastorePath, "blobs/*"))
		return len(names) > 0
	})
	cancel()
	if err := <-ended; err != nil { // else it was done before
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if d, err := driver.New(t.Context(), p); !errors.Is(err, driver.ErrRestoring) {
			t.Errorf("it starts: %v, %v", err, d.Close())
		}
		if _, err := driver.Identify(t.Context(), p); !errors.Is(err, driver.ErrRestoring) {
			t.Errorf("it has an identity: %v", err)
		}
		if _, err := driver.RestoreBackup(t.Context(), p, driver.RestoreOptions{Dir: dir, AsNew: true}, func(driver.BackupProgress) {}); !errors.Is(err, driver.ErrNotEmpty) {
			t.Errorf("half as itself, half as another: %v", err)
		}
		restoreFrom(t, p, driver.RestoreOptions{Dir: dir})
	}
	if _, err := os.Stat(filepath.Join(p.DatastorePath, "restoring")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	requireImage(t, served(t, drivertest.Start(t, p))+"/a:1", img)
	if _, err := driver.RestoreBackup(t.Context(), p, driver.RestoreOptions{Dir: dir}, func(driver.BackupProgress) {}); !errors.Is(err, driver.ErrNotEmpty) {
		t.Errorf("into a registry's datastore: %v", err)
	}
}

// TestRestoreOfWhatIsNoBackup, or of one that is damaged, says so.
func TestRestoreOfWhatIsNoBackup(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host, dir := served(t, m), t.TempDir()
	img := someImage(t, 1<<20, 3)
	must(t, crane.Push(img, host+"/a:1", crane.Insecure))
	restored := func(dir string) (driver.Restore, error) {
		return driver.RestoreBackup(t.Context(), elsewhere(t, m), driver.RestoreOptions{Dir: dir}, func(driver.BackupProgress) {})
	}
	if _, err := restored(t.TempDir()); !errors.Is(err, driver.ErrNoBackup) {
		t.Errorf("%v", err)
	}
	b, err := driver.BackupBetween(t.Context(), m.Driver, driver.BackupOptions{Dir: dir}, func() {
		if _, err := restored(dir); !errors.Is(err, driver.ErrNoBackup) {
			t.Errorf("half a backup is restored: %v", err)
		}
	})
	must(t, err)
	names, err := filepath.Glob(filepath.Join(dir, "blobs/*"))
	must(t, err)
	must(t, os.Remove(names[0]))
	must(t, os.WriteFile(names[0], []byte("other bytes"), 0o600)) // not in place: the registry may have that file, too
	must(t, os.Remove(names[1]))
	r, err := restored(dir)
	must(t, err)
	if r.FaultCount != 2 || r.Blobs.Blobs != writtenIn(b)-2 {
		t.Errorf("%+v", r)
	}
}

// TestBackupAsATar is written while a registry serves, and of one that is stopped; it is restored from its
// beginning to its end, also when that is done twice. A byte that was flipped in it is found, and its blob
// is named.
func TestBackupAsATar(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	img := newPushed(t, someImage(t, 3<<20, 2))
	must(t, crane.Push(img, host+"/a:1", crane.Insecure))
	var running, stopped bytes.Buffer
	b, err := driver.NewClient(m.Params).BackupTar(t.Context(), driver.BackupOptions{}, &running)
	must(t, err)
	m.Stop()
	again, err := driver.BackupTarStopped(t.Context(), m.Params, driver.BackupOptions{}, &stopped)
	must(t, err)
	if b.FaultCount != 0 || b.Copied.Blobs != 4 || again.Copied != b.Copied || !b.Running || again.Running {
		t.Errorf("%+v, %+v", b, again)
	}
	flipped := bytes.Clone(running.Bytes())
	at := bytes.Index(flipped, img.content[:4096])
	flipped[at+100] ^= 1
	c, err := m.CIDOf(ocipath.BlobData(ocipath.Root, img.layer))
	must(t, err)
	for name, tar := range map[string][]byte{"running": running.Bytes(), "stopped": stopped.Bytes(), "flipped": flipped} {
		p := elsewhere(t, m)
		r := restoreFrom(t, p, driver.RestoreOptions{Tar: bytes.NewReader(tar)})
		if name == "flipped" {
			if r.FaultCount != 1 || r.Faults[0].CID != c.String() || r.Blobs.Blobs != 3 {
				t.Errorf("%+v", r)
			}
			continue
		}
		if r.FaultCount != 0 || r.Blobs.Blobs != 4 || r.Backup.Records != b.Records && name == "running" {
			t.Errorf("%s: %+v", name, r)
		}
		restored := drivertest.Start(t, p)
		requireImage(t, served(t, restored)+"/a:1", img)
		restored.Stop()
	}

	p := elsewhere(t, m)
	_, err = driver.RestoreBackup(t.Context(), p, driver.RestoreOptions{Tar: bytes.NewReader(running.Bytes()[:at+5000])}, func(driver.BackupProgress) {})
	if err == nil || errors.Is(err, driver.ErrNotEmpty) {
		t.Fatalf("one that is cut: %v", err)
	}
	if d, err := driver.New(t.Context(), p); !errors.Is(err, driver.ErrRestoring) {
		t.Errorf("it starts: %v, %v", err, d.Close())
	}
	if r := restoreFrom(t, p, driver.RestoreOptions{Tar: bytes.NewReader(running.Bytes())}); r.FaultCount != 0 || r.Blobs.Blobs != 4 {
		t.Errorf("%+v", r)
	}
}

// TestAFlippedByteInADirectory of a backup is found, and its blob is named.
func TestAFlippedByteInADirectory(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	img := newPushed(t, someImage(t, 3<<20, 1))
	must(t, crane.Push(img, served(t, m)+"/a:1", crane.Insecure))
	dir := t.TempDir()
	backUpTo(t, m, driver.BackupOptions{Dir: dir})
	c, err := m.CIDOf(ocipath.BlobData(ocipath.Root, img.layer))
	must(t, err)
	file := filepath.Join(dir, "blobs", c.String())
	flipped := bytes.Clone(img.content)
	flipped[len(flipped)/2] ^= 1
	must(t, os.Remove(file)) // or the registry's file would be damaged, too
	must(t, os.WriteFile(file, flipped, 0o600))
	r := restoreFrom(t, elsewhere(t, m), driver.RestoreOptions{Dir: dir})
	if r.FaultCount != 1 || r.Faults[0].CID != c.String() {
		t.Errorf("%+v", r)
	}
}
