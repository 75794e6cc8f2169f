package transfer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// uploading is an upload on a registry that another one takes.
type uploading struct {
	t       *testing.T
	a       *registry
	b       *merging
	file    *os.File
	growing *Growing
	took    chan error
}

func (town *town) uploading(t *testing.T, change ...func(*timing)) *uploading {
	u := &uploading{t: t, a: town.registry(t), b: town.merging(t)}
	u.b.stop()
	u.b.config.Staging = filepath.Join(u.b.dir, "staging")
	for _, f := range change {
		f(&u.b.timing)
	}
	u.b.start()
	var err error
	u.file, err = os.Create(filepath.Join(u.a.dir, "staging", "upload"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = u.file.Close() })
	u.growing, err = u.a.transfers.Grow(u.file.Name())
	require.NoError(t, err)
	u.took = make(chan error, 1)
	go func() { u.took <- u.a.transfers.Take(within(t, patient), u.b.id, u.growing.Token, 0) }()
	return u
}

func (u *uploading) write(content []byte) {
	u.t.Helper()
	_, err := u.file.Write(content)
	require.NoError(u.t, err)
}

// arrived is how many bytes b has of it.
func (u *uploading) arrived() (n int64) {
	files, err := filepath.Glob(filepath.Join(u.b.config.Staging, "early-*"))
	require.NoError(u.t, err)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

// end makes a blob of the upload, as a push does.
func (u *uploading) end(content []byte) dag.Ref {
	u.t.Helper()
	u.growing.Whole(int64(len(content)))
	return u.a.push(content)
}

// TestAnUploadIsTakenWhileItGrows, and becomes a blob there once it has a name, without being
// fetched.
func TestAnUploadIsTakenWhileItGrows(t *testing.T) {
	var town town
	u := town.uploading(t)
	content := random(91, 5*mib+17)
	u.write(content[:3*mib])
	require.Eventually(t, func() bool { return u.arrived() >= 2*mib }, patient, time.Millisecond)
	u.write(content[3*mib:])
	ref := u.end(content)
	require.False(t, u.b.blobs.Has(ref.CID), "it has no name yet")
	u.b.done <- nil
	require.NoError(t, u.a.transfers.Keep(within(t, patient), u.b.id, ref, u.growing.Token, heads(t), nil))
	require.NoError(t, <-u.took)
	require.True(t, u.b.blobs.Has(ref.CID))
	require.Equal(t, int64(len(content)), u.b.received(), "it was fetched as well")
	require.Zero(t, u.arrived(), "something is left")
	u.b.requirePull(ref, content)
	u.growing.Stop()
}

// TestAnUploadThatBecomesAnotherBlob is fetched: what was taken is not believed.
func TestAnUploadThatBecomesAnotherBlob(t *testing.T) {
	var town town
	u := town.uploading(t)
	u.write(random(92, 3*mib))
	other := random(93, 3*mib)
	ref := u.end(other)
	u.b.done <- nil
	require.NoError(t, u.a.transfers.Keep(within(t, patient), u.b.id, ref, u.growing.Token, heads(t), nil))
	u.b.requirePull(ref, other)
	require.GreaterOrEqual(t, u.b.received(), int64(6*mib), "it was not fetched")
	require.Error(t, <-u.took)
	require.Zero(t, u.arrived(), "something is left")
	for held, err := range u.b.blobs.All(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, ref.CID, held.CID, "what was taken is a blob that nobody asked for")
	}
}

// TestAnUploadOfWhichNoMoreComes, though it has ended, is given up, and the blob is fetched: the
// connection may have broken, and nobody was told.
func TestAnUploadOfWhichNoMoreComes(t *testing.T) {
	var town town
	u := town.uploading(t, func(p *timing) { p.take = 10 * time.Millisecond })
	content := random(95, 3*mib)
	u.write(content[:mib])
	require.Eventually(t, func() bool { return u.arrived() == mib }, patient, time.Millisecond)
	ref := u.a.push(content)
	u.b.done <- nil
	require.NoError(t, u.a.transfers.Keep(within(t, patient), u.b.id, ref, u.growing.Token, heads(t), nil))
	u.b.requirePull(ref, content)
	require.Error(t, <-u.took)
	require.Zero(t, u.arrived(), "something is left")
}

// TestAnUploadThatIsGivenUp leaves nothing, whoever gives it up.
func TestAnUploadThatIsGivenUp(t *testing.T) {
	var town town
	u := town.uploading(t)
	u.write(random(94, 3*mib))
	require.Eventually(t, func() bool { return u.arrived() >= 2*mib }, patient, time.Millisecond)
	u.growing.Stop()
	require.Error(t, <-u.took)
	require.Eventually(t, func() bool { return u.arrived() == 0 }, patient, time.Millisecond)

	note := filepath.Join(u.b.config.Staging, ".early-renamed.leaves")
	for _, file := range []string{note, filepath.Join(u.b.config.Staging, "early-left")} {
		require.NoError(t, os.WriteFile(file, []byte("by a crash"), 0o600))
	}
	u.b.stop()
	u.b.start()
	require.Zero(t, u.arrived())
	require.NoFileExists(t, note)

	_, err := u.a.transfers.Grow(filepath.Join(u.a.dir, "nothing"))
	require.Error(t, err)
	g, err := u.a.transfers.Grow(u.file.Name())
	require.NoError(t, err)
	town.distrust(u.a.id)
	require.ErrorIs(t, u.a.transfers.Take(within(t, patient), u.b.id, g.Token, 0), wire.ErrStranger)
	town.distrust(u.b.id)
	require.Error(t, u.a.transfers.Take(within(t, patient), u.b.id, g.Token, 0), "it is not given to strangers")
	town.distrust()
	require.Error(t, u.a.transfers.Take(within(t, patient), u.b.id, "another", 0))
}
