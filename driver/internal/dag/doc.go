// Package dag says which DAG a blob's bytes make, and which CID that has. It touches no disk
// and no network.
//
//	a, b := dag.SHA2.Sum(leaf0), dag.SHA2.Sum(leaf1)
//	layout, inner, err := dag.Profile().Build(dag.SHA2, append(a[:], b[:]...), size)
//	c, offset, length := layout.Leaf(1)
//
// DAGs follow the profile unixfs-v1-2025 (IPIP-499): raw leaves of 1 MiB, balanced, at most
// 1,024 links per block.
//
// Limits: a blob of more than 1 TiB, which would need a third level, cannot be laid out.
package dag

import "errors"

// ErrBadDAG reports that blocks are not the DAG of a blob of that size.
var ErrBadDAG = errors.New("not the DAG of such a blob")
