package transfer

import "context"

// reuse copies leaves of this blob from other blobs here that have them. Workers fetch a
// leaf only after reuse has looked for it.
func (j *job) reuse() {
	p := j.plan
	n := p.layout.Leaves()
	var found, clear []int
	for d := range n {
		if j.ctx.Err() != nil {
			return
		}
		leaf := (max(j.wanted, 0) + d) % n
		c, _, _ := p.layout.Leaf(leaf)
		if here, err := j.t.cfg.Blobs.Blockstore().Has(j.ctx, c); err == nil && here && n > 1 {
			found = append(found, leaf)
		} else {
			clear = append(clear, leaf)
		}
		if d&(d+1) == 0 || d%32 == 31 || d == n-1 { // at once at first, then by the dozen
			p.seen(clear...)
			clear = nil
			j.changed.raise()
		}
	}
	for _, leaf := range found {
		if j.copyLeaf(j.ctx, leaf) {
			j.landed()
		}
		p.seen(leaf)
		j.changed.raise()
	}
}

// copyLeaf copies one leaf from another blob. A leaf that cannot be read counts as missing.
func (j *job) copyLeaf(ctx context.Context, leaf int) bool {
	if j.plan.has(leaf) {
		return false
	}
	c, _, _ := j.plan.layout.Leaf(leaf)
	b, err := j.t.cfg.Blobs.Block(ctx, c)
	return err == nil && j.put(leaf, b) == nil
}
