// Package compare says what layers of images have in common: bytes by files inside them, whatever
// compresses them, and bytes by leaves.
//
//	r := compare.NewReader(compare.Usual())
//	old, err := r.Layer(ctx, "sha256:…", file, size) // tar, tar+gzip or tar+zstd, as its bytes say
//	new, err := r.Layer(…)
//	shares := compare.Files([]*compare.Layer{old}, []*compare.Layer{new})
//	shares.Shared.Bytes, shares.OnlyB.Bytes …
//
// A layer is read as a stream. Of each file there are kept a digest of its path, one of its bytes
// and its size; of the layer without its compression the digests of its leaves, so that it can be
// said what it would share if it were pushed like that.
//
// Limits: what layers hold is hostile. A Reader refuses a layer that expands to much more than its
// size, that has too many files or too long a path, or that is no tar; the error names the layer.
// Digests are cut to 128 bits. Only plain files count, and each as often as a layer has it: a file
// that a later layer deletes is one of the image. Memory is 40 bytes for each file, 80 MB at most,
// and 24 for each leaf.
package compare
