package transfer

import "github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"

// Where the leaves of a blob lie follows from its size alone.

func leafAt(offset int64) int { return int(offset / dag.LeafSize) }

func leavesOf(size int64) int { return max(1, leafAt(size+dag.LeafSize-1)) }

func offsetOf(leaf int) int64 { return int64(leaf) * dag.LeafSize }

// lengthOf is how many bytes a leaf has.
func lengthOf(ref dag.Ref, leaf int) int64 { return min(dag.LeafSize, ref.Size-offsetOf(leaf)) }
