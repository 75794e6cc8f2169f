package main

import (
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const mib = 1 << 20

// TestTheTablesOfUsage, as an operator reads them.
func TestTheTablesOfUsage(t *testing.T) {
	asked := time.Now().Add(-3 * time.Minute)
	u := driver.Usage{
		Repositories: []driver.ImageUsage{
			{Repository: "team/app", Tags: 2, Manifests: 3, Size: 90 * mib, Own: 70 * mib, Shared: 20 * mib, Here: 80 * mib, Frees: 60 * mib, OnlyHere: 5 * mib, Copies: 1},
			{Repository: "base", Tags: 1, Unread: 1, Size: 20 * mib, Shared: 20 * mib},
		},
		Images: []driver.ImageUsage{
			{Repository: "team/app", Tag: "2", Size: 40 * mib, Own: 30 * mib, Shared: 10 * mib, Here: 40 * mib, Frees: 30 * mib, Copies: 2},
			{Repository: "team/app", Manifests: 3, Size: 5 * mib, Own: 5 * mib, Here: 5 * mib, Frees: 5 * mib, OnlyHere: 5 * mib, Copies: 1},
			{Repository: "base", Tag: "1", Unread: 1, Size: 20 * mib, Shared: 20 * mib},
		},
		ImageCount: 4, Together: driver.BlobSum{Blobs: 9, Bytes: 65 * mib}, Garbage: driver.BlobSum{Blobs: 1, Bytes: mib}, Unnamed: driver.BlobSum{Blobs: 2, Bytes: 2 * mib},
		Kept: driver.BlobSum{Blobs: 7, Bytes: 50 * mib}, Cache: driver.BlobSum{Blobs: 3, Bytes: 30 * mib}, Uploads: driver.UploadStatus{Count: 1, Bytes: 4 * mib},
		Disk: driver.DiskStatus{FreeBytes: 100 * mib, TotalBytes: 500 * mib}, Surveyed: &asked, UntaggedKept: true,
		Unread: []driver.Unread{{Path: "/base/link", Reason: "it is elsewhere"}}, Unreads: 1, Stuck: true,
	}
	want := `REPOSITORIES
  REPOSITORY  TAGS  SIZE             HERE    OWN     SHARED  FREES   COPIES
  team/app    2     90 MiB           80 MiB  70 MiB  20 MiB  60 MiB  1, 5.0 MiB only here
  base        1     20 MiB and more  0 B     0 B     20 MiB  0 B     -

IMAGES  the 3 of 4 that free most; --all shows all
  IMAGE                                 SIZE             HERE     OWN      SHARED  FREES    COPIES
  team/app:2                            40 MiB           40 MiB   30 MiB   10 MiB  30 MiB   2
  team/app (3 manifests without a tag)  5.0 MiB          5.0 MiB  5.0 MiB  0 B     5.0 MiB  1, only here
  base:1                                20 MiB and more  0 B      0 B      20 MiB  0 B      -

TOTAL
  deleted  all 4 images above, the next collection frees 9 blobs (65 MiB) here
  garbage  1 blob (1.0 MiB) to which nothing refers; without an entry: 2 blobs (2.0 MiB): the next collection frees both, when their grace is over
  kept     7 blobs (50 MiB)
  cache    3 blobs (30 MiB), of which what is needed goes by itself
  uploads  1 unfinished (4.0 MiB)
  disk     100 MiB free of 500 MiB

NOTES
  copies  as the members said 3 minutes ago; ` + "`registry ipfs where`" + ` asks them now
  tags    manifests without a tag are kept, with what they name (gcuntagged: false): delete an image by its digest, or collect with ` + "`registry garbage-collect --delete-untagged <config>`" + `
  unread  /base/link: it is elsewhere; what it names is not counted, and its repository keeps all that it refers to
  stuck   a later release wrote what this one does not know: nothing is freed; upgrade this registry
`
	var out strings.Builder
	if err := printUsage(&out, u); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}
