// Package mark finds what nothing live refers to, in the path map as it is at one moment.
//
//	view, counter := paths.Cut()
//	result, err := mark.Mark(ctx, view, mark.Options{
//		Read:     func(ctx context.Context, e pathmap.Entry) ([]byte, error) { … }, // of this disk
//		Untagged: gcuntagged,
//		Cache:    mark.NewCache(64 << 20),
//	})
//	for path := range result.Paths() {
//		versions := view.VersionsOf(path) // for lease.NewMark, or Expired
//	}
//
// Live is, in each repository by itself, a manifest (the link of a revision) to which a tag
// leads, which a live manifest names, or which has a live subject; unless Untagged, all are.
// A repository's link to a blob is live when a live manifest of it names the blob. The bytes
// of a blob are live when a live manifest of any repository is the blob, or names it. What a
// manifest names is what package manifest finds in it; it does not need its subject. When a
// path has several versions, all of them count.
//
// Tags are never touched. Links to what a tag once named go when the manifest is not live:
// upstream's collector removes them with a manifest that it removes, and leaves those of
// one that a client had deleted, which nothing reads.
//
// A manifest that cannot be read here might name anything in its repository: all links of
// that stay, and all blobs to which they lead. So does one that is no manifest, a link that
// cannot be read, and an entry of a later release. A revision whose bytes have no entry can
// be read nowhere. It counts as one that cannot be read when a tag leads to it, so that
// pushing it again mends the image; otherwise it names nothing. What ocipath does not know
// is never touched; when a later release wrote it outside a repository, nothing goes.
//
// Walk gives others the same tree, repository by repository: what each tag needs.
//
// Limits: it decides on one moment. A client between its layers and their manifest has
// links that nothing names: who deletes what this finds follows the rules of package lease.
// What a later release keeps beside the paths is not seen. For 100,000 images of ten layers
// it takes some 40 MB beside the map, and up to 140 MB when all are in one repository
// (BenchmarkMemory).
package mark
