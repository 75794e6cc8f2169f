package usage

import (
	"cmp"
	"slices"
	"strings"
)

// Row is what one image, or one repository, takes.
type Row struct {
	Repository string // name
	Tag        string // "" for a repository, and for manifests without a tag

	Tags      int // of a repository
	Manifests int // those that an image consists of; of a repository: without a tag
	Unread    int // manifests that cannot be read: what they name is not counted
	Blobs     int // manifests among them

	Size     int64 // bytes of its blobs, each once
	Own      int64 // of these, those of blobs to which nothing else refers
	Here     int64 // of Size, on this disk
	Frees    int64 // of Here, those to which nothing else refers
	OnlyHere int64 // of Here, on no other disk that is known
	Copies   int   // of the blob on this disk with the fewest; 0: not known
}

// Shared are the bytes to which something else refers, too.
func (r *Row) Shared() int64 { return r.Size - r.Own }

// add counts a blob.
func (r *Row) add(b *blob) {
	r.Blobs++
	r.Size += b.size
	if !b.here {
		return
	}
	r.Here += b.size
	if b.copies == 0 {
		return
	}
	if r.Copies == 0 || int(b.copies) < r.Copies {
		r.Copies = int(b.copies)
	}
	if b.copies == 1 {
		r.OnlyHere += b.size
	}
}

// own counts a blob to which nothing else refers.
func (r *Row) own(b *blob) {
	r.Own += b.size
	if b.here {
		r.Frees += b.size
	}
}

// order sorts rows by what deleting them frees.
func order(rows []Row) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Frees, a.Frees), cmp.Compare(b.Own, a.Own), cmp.Compare(b.Size, a.Size),
			strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
	})
}
