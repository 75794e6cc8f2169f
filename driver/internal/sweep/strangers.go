package sweep

import (
	"context"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// ExpireStrangers stops waiting for those that once wrote to the map, and that this registry has
// not met for as long as a member may be away. now is the moment that it is.
func (c *Collector) ExpireStrangers(ctx context.Context, now lease.Moment) error {
	strangers, err := c.cfg.Hearings.strangers()
	if err != nil {
		return err
	}
	since := map[string]lease.Moment{}
	for _, id := range strangers {
		since[id] = now
		if first, ok := c.strangers[id]; ok {
			since[id] = first
		}
		if now.Sub(since[id]) < c.cfg.Expiry {
			continue
		}
		if err := c.cfg.Paths.DoNotWait(ctx, id); err != nil {
			return err
		}
		delete(since, id)
		c.cfg.Log.WithField("peer", id).WithField("memberexpiry", c.cfg.Expiry).Info(
			"registry forgotten: it once wrote, and was not met for longer than memberexpiry")
	}
	c.strangers = since
	return nil
}
