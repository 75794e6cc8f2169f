package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const indexVersion = "1"

// recover puts right what a crash left, and counts the blobs.
func (s *Store) recover(ctx context.Context) error {
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	if err := s.recoverJournal(ctx); err != nil {
		return err
	}
	if err := s.checkRecords(ctx); err != nil {
		return err
	}
	if err := s.recoverRotten(ctx); err != nil {
		return err
	}
	if err := s.checkFiles(ctx); err != nil {
		return err
	}
	if err := s.checkStaging(ctx); err != nil {
		return err
	}
	if err := s.checkPartials(ctx); err != nil {
		return err
	}
	for range s.index.entries(ctx, query.Query{Prefix: extraPrefix, KeysOnly: true, Limit: 1}) {
		s.extras.Store(true)
	}
	return nil
}

func (s *Store) checkVersion(ctx context.Context) error {
	key := datastore.RawKey(versionName)
	got, err := s.index.store.Get(ctx, key)
	if errors.Is(err, datastore.ErrNotFound) {
		return s.index.store.Put(ctx, key, []byte(indexVersion))
	}
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if string(got) != indexVersion {
		return fmt.Errorf("written in version %q, this release reads %s: use the newer release", got, indexVersion)
	}
	return nil
}

// checkRecords forgets blobs whose file is not there, or not whole.
func (s *Store) checkRecords(ctx context.Context) error {
	for ref, err := range s.index.refs(ctx, rootPrefix) {
		if err != nil {
			return err
		}
		if err := s.checkRecord(ctx, ref.CID, ref.Size); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkRecord(ctx context.Context, root cid.Cid, size int64) error {
	info, err := os.Stat(s.path(root))
	switch {
	case err == nil && info.Size() == size:
		s.account(1, size)
		return nil
	case err == nil:
		s.account(1, size) // which setting it aside takes back
		s.trySetAside(ctx, dag.Ref{CID: root, Size: size}, fmt.Errorf("%d bytes instead of %d: %w", info.Size(), size, ErrRotten))
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// A crash came between the record and the rename: what arrived is worth keeping.
	if _, err := os.Stat(s.partialPath(root)); err == nil {
		return s.index.unfinish(ctx, root, size)
	}
	return s.index.remove(ctx, root)
}

// checkFiles looks for files without a record. There are some only when the datastore was
// lost or restored: then these blobs are hashed and recorded again.
func (s *Store) checkFiles(ctx context.Context) error {
	names, err := readNames(s.blobs)
	if err != nil {
		return err
	}
	if len(names) == s.count {
		return nil
	}
	for _, name := range names {
		root, err := cid.Decode(name)
		if err != nil {
			s.log.Warnf("file %s in %s is not a blob: left alone", name, s.blobs)
			continue
		}
		recorded, err := s.index.has(ctx, root)
		if err != nil {
			return err
		}
		if recorded {
			continue
		}
		f, ok := rootFunction(root)
		if !ok {
			s.log.Warnf("file %s in %s is named with a function that this release does not know: left alone", name, s.blobs)
			continue
		}
		s.log.Warnf("blob %s has no record: hashing it", root)
		ref, unpin, err := s.adopt(ctx, filepath.Join(s.blobs, name), f)
		if err != nil {
			return err
		}
		unpin()
		if ref.CID.Equals(root) {
			s.account(1, ref.Size)
		}
	}
	return nil
}

// rootFunction is the function with which a blob was named; false for one that only a later
// release knows.
func rootFunction(root cid.Cid) (dag.Function, bool) {
	for _, codec := range []uint64{cid.Raw, cid.DagProtobuf} {
		if f, ok := dag.FunctionOfBlock(root, codec); ok {
			return f, true
		}
	}
	return 0, false
}

// checkStaging removes staged files of this package that cannot be resumed.
func (s *Store) checkStaging(ctx context.Context) error {
	names, err := readNames(s.staging)
	if err != nil {
		return err
	}
	puts := strings.TrimSuffix(putPattern, "*")
	for _, name := range names {
		if strings.HasPrefix(name, puts) {
			if err := removeFiles(filepath.Join(s.staging, name)); err != nil {
				return err
			}
			continue
		}
		root, ok := partialRoot(name)
		if !ok {
			continue // an upload of the driver's
		}
		wanted, err := s.index.store.Has(ctx, partialKey(root))
		if err != nil {
			return err
		}
		if !wanted {
			if err := s.removePartialFiles(root); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPartials forgets partial blobs whose file is gone.
func (s *Store) checkPartials(ctx context.Context) error {
	for e, err := range s.index.entries(ctx, query.Query{Prefix: partialPrefix, KeysOnly: true}) {
		if err != nil {
			return err
		}
		root, err := keyRoot(e.Key)
		if err != nil {
			return err
		}
		if _, err := os.Stat(s.partialPath(root)); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if s.Has(root) {
			err = s.index.store.Delete(ctx, partialKey(root))
		} else {
			err = s.index.remove(ctx, root)
		}
		if err = errors.Join(err, s.removePartialFiles(root)); err != nil {
			return err
		}
	}
	return nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return names, nil
}
