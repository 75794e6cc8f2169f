package blob

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// journalKeys are those of bytes in the journal.
func (d *disk) journalKeys() []string { return d.keys(journalPrefix) }

// pushes are the ways in which a small blob comes that is pushed.
// patient bounds every wait for what comes soon, even on a busy machine.
const patient = 3 * time.Minute

var pushes = map[string]func(*disk, []byte) (*Push, error){
	"upload": func(d *disk, content []byte) (*Push, error) {
		return d.store.PushUpload(context.Background(), d.stage(content), digest.FromBytes(content), Seen{}, 0)
	},
	"content": func(d *disk, content []byte) (*Push, error) {
		return d.store.PushContent(context.Background(), content, 0)
	},
}

// TestASmallPushSyncsNothing but what is written beside its entry, until its file is synced
// with others.
func TestASmallPushSyncsNothing(t *testing.T) {
	for name, push := range pushes {
		for _, size := range []int{0, 1, SmallSize} {
			t.Run(name, func(t *testing.T) {
				d := newDisk(t)
				d.journalWait(100 * time.Millisecond)
				content := random(1, size)
				p, err := push(d, content)
				require.NoError(t, err)
				require.NotEmpty(t, p.Beside)
				require.Empty(t, d.keys("/blob/root"))
				require.False(t, d.store.Has(p.Ref.CID), "a crash would take it")
				require.ErrorIs(t, d.store.Delete(t.Context(), p.Ref.CID), ErrPinned)
				ref, unpin, err := d.entered(p, nil)
				require.NoError(t, err)
				require.True(t, d.store.Has(ref.CID), "before anybody hears of the entry")
				unpin()
				require.True(t, d.store.Verified(ref))
				require.True(t, d.store.Safe(ref.CID))
				d.requireContent(ref, content)
				d.requireUsage(1, ref.Size)
				block, err := d.store.Block(t.Context(), ref.CID)
				require.NoError(t, err)
				require.Equal(t, len(content), len(block))
				require.Eventually(t, func() bool { return len(d.journalKeys()) == 0 }, patient, time.Millisecond)
				d.requireContent(ref, content)
				require.NoError(t, d.store.Delete(t.Context(), ref.CID))
				d.requireUsage(0, 0)
				require.Empty(t, d.keys("/blob/root"))
				require.Empty(t, d.stagedFiles())
			})
		}
	}
}

// TestALargePushIsSafeAtOnce, and so is one of a blob that is here.
func TestALargePushIsSafeAtOnce(t *testing.T) {
	d := newDisk(t)
	for name, push := range pushes {
		t.Run(name, func(t *testing.T) {
			p, err := push(d, random(int64(len(name)), SmallSize+1))
			require.NoError(t, err)
			require.Nil(t, p.Beside)
			require.True(t, d.store.Has(p.Ref.CID))
			p.Done()
			small := random(int64(len(name)), 10)
			d.adopt(small)
			p, err = push(d, small)
			require.NoError(t, err)
			require.Nil(t, p.Beside)
			p.Done()
		})
	}
	require.Empty(t, d.journalKeys())
	require.Empty(t, d.store.pins.held)
}

// TestWhatACrashTakesOfASmallBlob comes back from the journal.
func TestWhatACrashTakesOfASmallBlob(t *testing.T) {
	for name, take := range map[string]func(string) error{
		"nothing":   func(string) error { return nil },
		"the file":  os.Remove,
		"its bytes": func(file string) error { return os.Truncate(file, 0) },
		"its pages": func(file string) error { return errors.Join(os.Truncate(file, 7), os.Truncate(file, 5000)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			content := random(1, 5000)
			ref, unpin, err := d.pushContent(t.Context(), content, 0)
			require.NoError(t, err)
			unpin()
			d.kill()
			require.NoError(t, take(d.store.path(ref.CID)))
			d.start()
			d.requireContent(ref, content)
			d.requireUsage(1, ref.Size)
			require.Empty(t, d.store.Rotten())
			require.Empty(t, d.logs.AllEntries())
			require.True(t, d.store.journal.empty(d.store))
			require.Empty(t, d.journalKeys())
			d.restart()
			d.requireContent(ref, content)
			d.requireUsage(1, ref.Size)
		})
	}
}

// TestASmallBlobThatCannotBeBroughtBack yet, because the disk is full, is brought back later.
func TestASmallBlobThatCannotBeBroughtBack(t *testing.T) {
	d := newDisk(t)
	content := random(1, 5000)
	ref, unpin, err := d.pushContent(t.Context(), content, 0)
	require.NoError(t, err)
	unpin()
	require.NoError(t, os.Remove(d.store.path(ref.CID)))
	away := d.store.staging + "-away"
	require.NoError(t, os.Rename(d.store.staging, away))
	require.False(t, d.store.journal.empty(d.store))
	require.Len(t, d.journalKeys(), 1)
	require.NoError(t, os.Rename(away, d.store.staging))
	require.True(t, d.store.journal.empty(d.store))
	d.requireContent(ref, content)
	require.Empty(t, d.journalKeys())
}

// TestADeletedBlobStaysDeleted though its bytes were in the journal, and one that is pushed
// again meanwhile keeps the bytes of that push.
func TestADeletedBlobStaysDeleted(t *testing.T) {
	d := newDisk(t)
	content := random(1, 5000)
	pushed := func() dag.Ref {
		ref, unpin, err := d.pushContent(t.Context(), content, 0)
		require.NoError(t, err)
		unpin()
		return ref
	}
	ref := pushed()
	require.NoError(t, d.store.Delete(t.Context(), ref.CID))
	require.Empty(t, d.journalKeys())
	pushed()
	require.Len(t, d.journalKeys(), 1)
	d.kill()
	require.NoError(t, os.Remove(d.store.path(ref.CID)))
	d.start()
	d.requireContent(ref, content)
	require.NoError(t, d.store.Delete(t.Context(), ref.CID))
	d.restart()
	require.False(t, d.store.Has(ref.CID))
	d.requireUsage(0, 0)
	require.Empty(t, d.stagedFiles())
}

// TestAPushWhoseEntryIsNotWritten gives the upload back, and leaves nothing else.
func TestAPushWhoseEntryIsNotWritten(t *testing.T) {
	content := random(1, 5000)
	begin := func(d *disk) (*Push, string) {
		file := d.stage(content)
		p, err := d.store.PushUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
		require.NoError(t, err)
		require.NoFileExists(t, file)
		p.GiveBack = true
		return p, file
	}
	again := func(d *disk, file string) {
		ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
		require.NoError(t, err)
		d.requireContent(ref, content)
		require.True(t, d.store.journal.empty(d.store))
		d.requireUsage(1, ref.Size)
		d.restart()
		d.requireUsage(1, ref.Size)
		require.Empty(t, d.stagedFiles())
		require.Empty(t, d.logs.AllEntries())
	}
	t.Run("surely", func(t *testing.T) {
		d := newDisk(t)
		p, file := begin(d)
		p.Undo(false)
		require.NoFileExists(t, d.store.path(p.Ref.CID))
		d.requireUsage(0, 0)
		again(d, file)
	})
	t.Run("perhaps", func(t *testing.T) {
		d := newDisk(t)
		p, file := begin(d)
		store := d.store.index.store
		d.store.index.store = brokenStore{store}
		p.Undo(true)
		require.False(t, d.store.journal.empty(d.store), "that can be known when a write succeeds")
		require.FileExists(t, d.store.path(p.Ref.CID))
		d.store.index.store = store
		require.True(t, d.store.journal.empty(d.store))
		require.NoFileExists(t, d.store.path(p.Ref.CID))
		d.requireUsage(0, 0)
		again(d, file)
	})
	t.Run("and it was", func(t *testing.T) {
		d := newDisk(t)
		p, file := begin(d)
		p.Undo(true)
		for key, value := range p.Beside {
			if value != nil {
				require.NoError(t, d.badger.Put(t.Context(), key, value))
			}
		}
		require.True(t, d.store.journal.empty(d.store))
		d.requireContent(p.Ref, content)
		require.Empty(t, d.journalKeys())
		again(d, file)
	})
}

// brokenStore takes no writes.
type brokenStore struct{ datastore.Batching }

func (brokenStore) Put(context.Context, datastore.Key, []byte) error { return unix.EIO }

// TestTwoPushesOfOneSmallBlob at the same time: each that ends well leaves it here.
func TestTwoPushesOfOneSmallBlob(t *testing.T) {
	content := random(1, 5000)
	for name, end := range map[string]func(d *disk, first, second *Push){
		"both written": func(d *disk, first, second *Push) {
			_, unpin, err := d.entered(first, nil)
			require.NoError(t, err)
			unpin()
			second.Done()
		},
		"the first fails":       func(_ *disk, first, second *Push) { first.Undo(false); second.Done() },
		"the first fails, late": func(_ *disk, first, second *Push) { second.Done(); first.Undo(false) },
		"the second fails": func(d *disk, first, second *Push) {
			second.Undo(false)
			_, unpin, err := d.entered(first, nil)
			require.NoError(t, err)
			unpin()
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			first, err := d.store.PushContent(t.Context(), content, 0)
			require.NoError(t, err)
			second, err := d.store.PushUpload(t.Context(), d.stage(content), "", Seen{}, 0)
			require.NoError(t, err)
			require.Nil(t, second.Beside, "it cannot count on the first")
			require.True(t, d.store.Has(second.Ref.CID))
			end(d, first, second)
			d.requireContent(first.Ref, content)
			require.True(t, d.store.journal.empty(d.store))
			d.requireContent(first.Ref, content)
			d.requireUsage(1, int64(len(content)))
			require.Empty(t, d.store.pins.held)
			require.Empty(t, d.store.hidden.of)
			d.restart()
			d.requireUsage(1, int64(len(content)))
			require.Empty(t, d.stagedFiles())
		})
	}
}

// TestTheJournalIsBounded: what does not fit is installed without it.
func TestTheJournalIsBounded(t *testing.T) {
	d := newDisk(t)
	d.store.journal.mu.Lock()
	d.store.journal.bytes = journalBytes
	d.store.journal.mu.Unlock()
	p, err := d.store.PushContent(t.Context(), random(1, 10), 0)
	require.NoError(t, err)
	require.Nil(t, p.Beside)
	require.True(t, d.store.Has(p.Ref.CID))
	p.Done()
}

// TestAStopLeavesNoJournal: an earlier release would not know it.
func TestAStopLeavesNoJournal(t *testing.T) {
	d := newDisk(t)
	_, err := d.putAs(t.Context(), random(1, 10), 0)
	require.NoError(t, err)
	require.Len(t, d.journalKeys(), 1)
	d.store.Close()
	require.Empty(t, d.journalKeys())
	require.Empty(t, d.stagedFiles())
}
