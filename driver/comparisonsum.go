package driver

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/compare"
)

// sum compares what was read.
func (c *comparison) sum(p pairOf) {
	blobs := c.items(func(b *part) []compare.Item { return []compare.Item{itemOf([]byte(b.digest), b.entry.Size)} }, anyPart)
	leaves := func(of func(*part) bool) [2][]compare.Item {
		return c.items(func(b *part) []compare.Item { return b.leaves }, of)
	}
	c.result.Blobs, c.result.Leaves = sharesOf(compare.Items(blobs[0], blobs[1])), comparedItems(leaves(anyPart))
	all, rest := c.contents(p, anyPart), c.contents(p, single)
	c.result.Files = sharesOf(compare.Files(all[0], all[1]))
	c.result.Paths = pathsOf(compare.ByPath(all[0], all[1]))
	c.result.Rest = RestDiff{
		Compression: compressions(rest[0], rest[1]),
		Leaves:      comparedItems(leaves(func(b *part) bool { return single(b) && b.layer })),
		Files:       sharesOf(compare.Files(rest[0], rest[1])), Plain: sharesOf(compare.Plain(rest[0], rest[1])),
	}
}

func anyPart(*part) bool  { return true }
func single(b *part) bool { return b.where() != "both" }

// items are those of each side's blobs.
func (c *comparison) items(of func(*part) []compare.Item, which func(*part) bool) (sides [2][]compare.Item) {
	for _, b := range c.blobs {
		for side, in := range b.in {
			if in && which(b) {
				sides[side] = append(sides[side], of(b)...)
			}
		}
	}
	return sides
}

// contents are the layers of each side that were read, in its order. One that an image names again
// counts where it is named last, as its files do.
func (c *comparison) contents(p pairOf, which func(*part) bool) (sides [2][]*compare.Layer) {
	for side, v := range p {
		last := map[digest.Digest]int{}
		for i, l := range v.manifest.Layers {
			last[l.Digest] = i
		}
		for at, l := range v.manifest.Layers {
			if last[l.Digest] != at {
				continue
			}
			i := slices.IndexFunc(c.blobs, func(b *part) bool { return b.digest == l.Digest })
			if b := c.blobs[i]; b.content != nil && which(b) {
				sides[side] = append(sides[side], b.content)
			}
		}
	}
	return sides
}

func compressions(sides ...[]*compare.Layer) []string {
	names := []string{}
	for _, l := range slices.Concat(sides...) {
		names = append(names, string(l.Compression))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func comparedItems(sides [2][]compare.Item) Shares {
	return sharesOf(compare.Items(sides[0], sides[1]))
}

func sharesOf(s compare.Shares) Shares {
	return Shares{DiffSum(s.Shared), DiffSum(s.OnlyA), DiffSum(s.OnlyB)}
}

func pathsOf(p compare.Paths) PathShares {
	return PathShares{DiffSum(p.Same), DiffSum(p.ChangedA), DiffSum(p.ChangedB), DiffSum(p.OnlyA), DiffSum(p.OnlyB)}
}
