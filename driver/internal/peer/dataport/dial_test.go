package dataport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// TestTheFirstAddressThatAnswers is kept. The next one is tried in a moment when one is mute,
// at once when one is refused; connections that come too late are closed.
func TestTheFirstAddressThatAnswers(t *testing.T) {
	type answer struct {
		after time.Duration
		err   error
	}
	soon, mute := answer{time.Millisecond, nil}, answer{time.Hour, errors.New("timeout")}
	refused, late := answer{time.Millisecond, errors.New("refused")}, answer{dialStagger + 2*time.Millisecond, nil}
	for name, c := range map[string]struct {
		answers []answer
		want    int // which one is kept, -1: none
		after   time.Duration
	}{
		"one":                 {[]answer{soon, soon}, 0, time.Millisecond},
		"after a mute one":    {[]answer{mute, soon}, 1, dialStagger + time.Millisecond},
		"after a refused one": {[]answer{refused, soon}, 1, 2 * time.Millisecond},
		"the faster one":      {[]answer{late, soon}, 1, dialStagger + time.Millisecond},
		"none":                {[]answer{refused, refused}, -1, 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dialed := map[string]answer{}
				conns := map[string]*closer{}
				var targets []multiaddr.Multiaddr
				for i, answer := range c.answers {
					a := multiaddr.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", i+1))
					targets = append(targets, a)
					dialed[a.String()], conns[a.String()] = answer, &closer{}
				}
				began := time.Now()
				got, err := firstOf(t.Context(), targets, func(ctx context.Context, a multiaddr.Multiaddr) (net.Conn, error) {
					answer := dialed[a.String()]
					// What is almost there comes, although nobody wants it now.
					if answer.err == nil {
						time.Sleep(answer.after)
						return conns[a.String()], nil
					}
					select {
					case <-time.After(answer.after):
						return nil, answer.err
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				})
				if (err == nil) != (c.want >= 0) {
					t.Fatal(err)
				}
				for i, a := range targets {
					if conn := conns[a.String()]; i == c.want && (got != conn || conn.closed) {
						t.Errorf("kept %v, in place of the one to %s", got, a)
					} else if i != c.want && c.answers[i] == late && !conn.closed {
						t.Errorf("the connection to %s leaks", a)
					}
				}
				if took := time.Since(began); took < c.after || c.answers[0] != late && took != c.after {
					t.Errorf("it took %s, not %s", took, c.after)
				}
			})
		})
	}
}

// closer knows whether it was closed.
type closer struct {
	net.Conn
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// TestDialNowhere is an error, not no connection.
func TestDialNowhere(t *testing.T) {
	cfg := config(t)
	if c, err := open(t, cfg).Dial(t.Context(), cfg.Self, nil); err == nil {
		t.Errorf("connected to %v", c)
	}
}
