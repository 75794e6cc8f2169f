package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/usage"
)

// UsageOptions say what is asked about. The zero value is everything.
type UsageOptions struct {
	Of   []string `json:"of"`   // repositories, and images as repository:tag; none: all
	Most int      `json:"most"` // how many images are listed, those that free most; 0: all
}

// Usage says what images take of this registry's disk, and what deleting them would free.
type Usage struct {
	Images       []ImageUsage `json:"images"`       // that are asked about, what frees most first
	ImageCount   int          `json:"image_count"`  // how many these are, also where fewer are listed
	Repositories []ImageUsage `json:"repositories"` // that are asked about, or have such an image; likewise
	Together     BlobSum      `json:"together"`     // what the next collection frees here when all these images are deleted

	Garbage  BlobSum      `json:"garbage"`  // here, to which nothing refers: the next collection frees it, when its grace is over
	Unnamed  BlobSum      `json:"unnamed"`  // here without an entry: likewise
	Kept     BlobSum      `json:"kept"`     // here, of which this registry is a keeper; they count as in Status
	Cache    BlobSum      `json:"cache"`    // here, of which it is none: it makes room when that is called for
	Uploads  UploadStatus `json:"uploads"`  // of clients that have not ended
	Disk     DiskStatus   `json:"disk"`     //
	Surveyed *time.Time   `json:"surveyed"` // when the members were last asked for copies; nil: not yet, or offline

	// UntaggedKept says that a manifest to which no tag leads is kept, by gcuntagged, with what it
	// names: what a tag leads to is freed when the manifests are deleted, too, or collected with
	// --delete-untagged.
	UntaggedKept bool     `json:"untagged_kept"`
	Unread       []Unread `json:"unread"`  // the first manifests that could not be read here, so that what they name is not counted
	Unreads      int      `json:"unreads"` // how many there are
	Stuck        bool     `json:"stuck"`   // a later release wrote what this one does not know: nothing is freed
}

// ImageUsage is what an image or a repository takes. An image is all that its tag needs: its
// manifest, those that this names or that refer to it, and their blobs. The manifests of a
// repository to which no tag leads are one image, without a tag.
type ImageUsage struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`       // "" for a repository, and for manifests without a tag
	Tags       int    `json:"tags"`      // of a repository
	Manifests  int    `json:"manifests"` // of an image; of a repository, those without a tag
	Unread     int    `json:"unread"`    // manifests that cannot be read here: what they name is not counted
	Blobs      int    `json:"blobs"`     // with the manifests
	Size       int64  `json:"size"`      // bytes of the blobs
	Own        int64  `json:"own"`       // of these, those to which nothing else refers
	Shared     int64  `json:"shared"`    // of these, those to which something else does
	Here       int64  `json:"here"`      // of Size, on this disk
	Frees      int64  `json:"frees"`     // of Here, what the next collection frees when this is deleted
	OnlyHere   int64  `json:"only_here"` // of Here, what no other registry that answers has, by the last survey
	Copies     int    `json:"copies"`    // of the blob here with the fewest, in the swarm, this one among them, by the last survey; 0: not known
}

// UsageProgress is how far the measurement of usage is.
type UsageProgress struct {
	Paths     int `json:"paths"` // looked at
	Of        int `json:"of"`    // paths
	Manifests int `json:"manifests"`
}

// Usage measures what images take of this registry's disk. It reads each manifest that is here
// once: 100,000 images take some seconds. progress is called now and then, from one goroutine at a
// time.
func (d *Driver) Usage(ctx context.Context, o UsageOptions, progress func(UsageProgress)) (Usage, error) {
	return d.store.usage(ctx, o, progress)
}

// errMeasuring spares the registry the memory of several.
var errMeasuring = errors.New("usage is being measured for somebody else: ask again when that is done")

func (s *store) usage(ctx context.Context, o UsageOptions, progress func(UsageProgress)) (Usage, error) {
	if !s.measuring.TryLock() {
		return Usage{}, errMeasuring
	}
	defer s.measuring.Unlock()
	u := Usage{UntaggedKept: !s.gcUntagged}
	copies := func(cid.Cid) int { return 0 }
	if found, ok := s.engine.Surveyed(); ok {
		copies, u.Surveyed = found.Copies, &found.At
	}
	view := s.paths.View()
	r, err := usage.Measure(ctx, view, usage.Options{
		Read: s.engine.ReadManifest, Here: s.blobs.Has, Copies: copies, Untagged: s.gcUntagged, Of: o.Of,
		Progress: func(p mark.Progress) { progress(UsageProgress(p)) },
	})
	if err != nil {
		return Usage{}, err
	}
	if len(r.Missing) > 0 {
		return Usage{}, fmt.Errorf("%s: this registry does not know it; write a repository, or repository:tag", strings.Join(r.Missing, ", "))
	}
	u.images(r, o.Most)
	s.diskUsage(&u, view, r.Named)
	return u, nil
}

// images takes what was measured.
func (u *Usage) images(r *usage.Report, most int) {
	u.ImageCount = len(r.Images)
	if most > 0 {
		r.Images = r.Images[:min(most, len(r.Images))]
	}
	u.Images, u.Repositories = imageUsages(r.Images), imageUsages(r.Repositories)
	u.Together, u.Garbage, u.Stuck = BlobSum(r.Together), BlobSum(r.Garbage), r.Stuck
	u.Unread, u.Unreads = []Unread{}, r.UnreadCount
	for _, of := range r.Unread {
		u.Unread = append(u.Unread, Unread{Path: of.Path, Reason: of.Err.Error()})
	}
}

// diskUsage says what else lies on the disk, given the blobs here that have an entry.
func (s *store) diskUsage(u *Usage, view pathmap.View, named usage.Sum) {
	if blobs, bytes := s.blobs.Usage(); blobs > named.Blobs {
		u.Unnamed = BlobSum{Blobs: blobs - named.Blobs, Bytes: max(0, bytes-named.Bytes)}
	}
	counts, _ := s.blobCounts(view)
	u.Kept, u.Cache = BlobSum{counts.kept, counts.keptBytes}, BlobSum{counts.cached, counts.cachedBytes}
	u.Uploads = UploadStatus(s.engine.Uploads.Unfinished())
	u.Disk.FreeBytes, u.Disk.TotalBytes = s.engine.DiskSpace()
}

func imageUsages(rows []usage.Row) []ImageUsage {
	all := make([]ImageUsage, 0, len(rows))
	for _, r := range rows {
		all = append(all, ImageUsage{
			Repository: r.Repository, Tag: r.Tag, Tags: r.Tags, Manifests: r.Manifests, Unread: r.Unread, Blobs: r.Blobs,
			Size: r.Size, Own: r.Own, Shared: r.Shared(), Here: r.Here, Frees: r.Frees, OnlyHere: r.OnlyHere, Copies: r.Copies,
		})
	}
	return all
}
