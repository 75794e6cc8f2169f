package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Verification is the result of reading blobs and comparing them with their CIDs.
type Verification struct {
	Running   bool      `json:"running"`   // it runs, and has a network: others could be asked
	Image     string    `json:"image"`     // "": all blobs that are here
	Blobs     int       `json:"blobs"`     // that were read
	Bytes     int64     `json:"bytes"`     // of these
	Elsewhere int       `json:"elsewhere"` // blobs that are not here, which is no fault
	Findings  []Finding `json:"findings"`  // one for each blob with which something is wrong
}

// Finding is a blob with which something is wrong, and what was done.
type Finding struct {
	CID       string `json:"cid"`        // "": there is no entry that names it
	Digest    string `json:"digest"`     // of its path; "": nothing names it
	Size      int64  `json:"size"`       // bytes
	Fault     string `json:"fault"`      // what is wrong
	BadLeaves int    `json:"bad_leaves"` // how many of its leaves, 1 MiB each, were damaged or not here
	Leaves    int    `json:"leaves"`     // that the blob has
	Mended    bool   `json:"mended"`     // nothing is wrong with it now
	Done      string `json:"done"`       // how it was mended, or why it was not
}

// VerifyProgress is how far a verification has come.
type VerifyProgress struct {
	Blobs  int   `json:"blobs"`  // read so far
	Of     int   `json:"of"`     // to read, as far as is known now
	Bytes  int64 `json:"bytes"`  // read
	Faults int   `json:"faults"` // blobs with which something is wrong
}

// Unmended counts the findings that are as bad as before.
func (v Verification) Unmended() (n int) {
	for _, f := range v.Findings {
		if !f.Mended {
			n++
		}
	}
	return n
}

// verifyPause is the time between two reports of progress.
const verifyPause = time.Second

// verification is one run of Verify. What others read is atomic.
type verification struct {
	*store
	result                   Verification
	blobs, of, bytes, faults atomic.Int64
	seen                     *cid.Set

	read  map[digest.Digest]bool  // manifests of the image
	named map[digest.Digest]named // blobs of the image
}

// Verify reads every blob that is here, or those of an image (repository:tag or
// repository@digest), compares them with their CIDs, and mends what is wrong with what
// other members have. An error means that the verification could not be done; damage that
// it found is in the result. progress is called about once a second, from one goroutine at
// a time.
func (d *Driver) Verify(ctx context.Context, image string, progress func(VerifyProgress)) (Verification, error) {
	return d.store.verify(ctx, image, progress)
}

func (s *store) verify(ctx context.Context, image string, progress func(VerifyProgress)) (Verification, error) {
	v := &verification{store: s, seen: cid.NewSet(), read: map[digest.Digest]bool{}, named: map[digest.Digest]named{}}
	v.result = Verification{Running: !s.engine.Offline(), Image: image, Findings: []Finding{}}
	ended := make(chan struct{})
	var reports sync.WaitGroup
	reports.Go(func() { v.report(ended, progress) })
	var err error
	if image == "" {
		err = v.all(ctx)
	} else {
		err = v.image(ctx, image)
	}
	close(ended)
	reports.Wait()
	v.result.Blobs, v.result.Bytes = int(v.blobs.Load()), v.bytes.Load()
	return v.result, err
}

func (v *verification) report(ended <-chan struct{}, progress func(VerifyProgress)) {
	tick := time.NewTicker(verifyPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			progress(VerifyProgress{
				Blobs: int(v.blobs.Load()), Of: int(v.of.Load()), Bytes: v.bytes.Load(), Faults: int(v.faults.Load()),
			})
		case <-ended:
			return
		}
	}
}

// target is a blob to verify, with the digest of a path that leads to it.
type target struct {
	ref    dag.Ref
	digest digest.Digest // empty: nothing names it
}

// all verifies the blobs that have an entry, those that are recorded as being here, and
// those that were set aside.
func (v *verification) all(ctx context.Context) error {
	var targets []target
	v.paths.View().Under("/", func(path string, e pathmap.Entry) bool {
		if _, inline := dag.InlineBytes(e.CID); !inline && v.seen.Visit(e.CID) {
			d, _ := digestOf(path)
			targets = append(targets, target{refOf(e), d})
		}
		return ctx.Err() == nil
	})
	recorded, err := v.store.blobs.Blobs(ctx)
	if err != nil {
		return err
	}
	for _, ref := range recorded {
		if v.seen.Visit(ref.CID) {
			targets = append(targets, target{ref: ref})
		}
	}
	v.of.Store(int64(len(targets)))
	for _, t := range targets {
		if _, err := v.check(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// check reads one blob; absent when it is not here, which is no fault.
func (v *verification) check(ctx context.Context, t target) (absent bool, err error) {
	fault, bad, err := v.store.blobs.Check(ctx, t.ref, func(n int64) { v.bytes.Add(n) })
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return false, err
	}
	defer v.blobs.Add(1)
	switch fault {
	case blob.Absent:
		v.result.Elsewhere++
		return true, nil
	case blob.Sound:
		return false, nil
	}
	f := Finding{
		CID: t.ref.CID.String(), Digest: t.digest.String(), Size: t.ref.Size, Fault: string(fault),
		BadLeaves: bad, Leaves: dag.LeavesOf(t.ref.Size),
	}
	switch fault {
	case blob.LostRecord:
		f.Mended, f.Done = true, "recorded again"
	case blob.Impossible:
		f.Done = "not mended: delete the path, and push it again"
	default:
		if err := v.mend(ctx, t.ref, &f); err != nil {
			return false, err
		}
	}
	v.find(f)
	return false, nil
}

func (v *verification) find(f Finding) {
	v.result.Findings = append(v.result.Findings, f)
	v.faults.Add(1)
}

// mend mends a blob and notes the outcome in f. A blob that no entry names is deleted,
// because no member has it.
func (v *verification) mend(ctx context.Context, ref dag.Ref, f *Finding) error {
	if f.Digest == "" {
		switch err := v.store.blobs.DeleteBroken(ctx, ref.CID, v.names); {
		case err == nil:
			f.Mended, f.Done = true, "deleted: nothing names it"
			return nil
		case !errors.Is(err, blob.ErrUsed):
			f.Done = "not mended: " + err.Error()
			return ctx.Err()
		}
	}
	lacking, err := v.transfers.Mend(ctx, ref)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.BadLeaves = max(f.BadLeaves, lacking)
	switch {
	case err != nil && !v.result.Running:
		f.Done = "not mended: the registry is not running, so no member was asked"
	case err != nil:
		f.Done = "not mended: " + err.Error()
	case f.BadLeaves == 0:
		f.Mended, f.Done = true, "mended: all leaves were here"
	default:
		f.Mended, f.Done = true, fmt.Sprintf("mended: %d of %d leaves from other members", f.BadLeaves, f.Leaves)
	}
	return nil
}

// names reports whether an entry leads to a CID.
func (s *store) names(c cid.Cid) (found bool) {
	s.paths.View().Under("/", func(_ string, e pathmap.Entry) bool {
		found = e.CID.Equals(c)
		return !found
	})
	return found
}

// VerifyStopped is Verify for a registry that is not running, on these parameters. It asks
// no member, so it mends only blobs of which it has all leaves. It fails with ErrInUse while the
// registry runs: use Client.Verify then.
func VerifyStopped(ctx context.Context, p Parameters, image string, progress func(VerifyProgress)) (Verification, error) {
	return onStopped(ctx, p, func(s *store) (Verification, error) { return s.verify(ctx, image, progress) })
}
