package attacker

import (
	"context"
	"time"
)

// Sybils joins with a new identity, says hello, and leaves, again and again, so many at once.
// Did counts those that were greeted as members.
func Sybils(cfg Config, t Target, atOnce int, stay time.Duration) Attack {
	return func(ctx context.Context, _ *Peer, tally *Tally) {
		again(ctx, atOnce, tally, func(ctx context.Context) error {
			one := cfg
			one.Identity = nil
			p, err := New(one)
			if err != nil {
				return err
			}
			defer p.Close()
			p.Say(Hello{Trust: "*", Self: []string{"/ip4/" + cfg.From + "/tcp/9"}})
			short, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if err := p.Join(short, t); err != nil {
				return err
			}
			if _, err := p.Meet(short, t); err != nil {
				return err
			}
			rest(ctx, stay)
			return nil
		})
	}
}
