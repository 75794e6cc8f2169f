// Package usage says how much of a disk the images of a registry take: what only one of them
// needs, what they share, and what deleting one would free.
//
//	report, err := usage.Measure(ctx, paths.View(), usage.Options{
//		Read:   func(ctx context.Context, e pathmap.Entry) ([]byte, error) { … }, // of this disk
//		Here:   blobs.Has,
//		Copies: func(c cid.Cid) int { … },
//	})
//	for _, row := range report.Images { row.Own, row.Frees … }
//
// An image is what a tag needs: its manifest, the manifests which that names or which have it as
// their subject, and all that these name. So package mark, whose walk this is, says what is used.
// Manifests to which no tag leads are one row of their repository, unless they are garbage, too.
// Deleting an image frees the blobs of this disk that nothing else refers to.
//
// Limits: it is of one moment. What a manifest names that cannot be read here is not known, and
// counted nowhere; as its repository keeps all that it refers to, nothing else in it is freed. A
// million blobs take some 70 MB while they are measured, and each row some 200 bytes.
package usage
