// Package dag says which DAG a blob's bytes make, and which CID that has. It touches no disk
// and no network.
//
//	sums := append(f.Sum(leaf0), f.Sum(leaf1)...)
//	layout, inner, err := dag.Profile().Build(f, sums, size)
//	c, offset, length := layout.Leaf(1)
//
// DAGs follow the profile unixfs-v1-2025 (IPIP-499): raw leaves of 1 MiB, balanced, at most
// 1,024 links a block. Blobs of more than two levels, 1 TiB, cannot be laid out.
package dag

import "errors"

// ErrBadDAG reports that blocks are not the DAG of a blob of that size.
var ErrBadDAG = errors.New("not the DAG of such a blob")
