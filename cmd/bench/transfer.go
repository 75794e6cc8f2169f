package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/fleet"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// route is the link between two spaces, and what goes over it.
type route struct {
	from, to   *lab.Space
	roundTrip  time.Duration
	size, warm int64
	bitswap    int64 // bitswap's own size: it is slow
	rounds     int
}

func (b *bench) route(roundTrip time.Duration) (r route, err error) {
	r = route{from: lab.Here(), to: lab.Here(), roundTrip: roundTrip,
		size: pick[int64](b, 64<<20, 1<<30), warm: pick[int64](b, 16<<20, 64<<20), rounds: pick(b, 3, 5)}
	switch {
	case roundTrip == 0:
		r.bitswap = pick[int64](b, 32<<20, 256<<20)
		return r, nil
	case roundTrip < 50*time.Millisecond:
		r.bitswap = pick[int64](b, 16<<20, 64<<20)
	default:
		r.bitswap = pick[int64](b, 8<<20, 32<<20)
	}
	r.rounds = 3
	r.from, r.to, err = b.lab.Delayed(roundTrip)
	return r, err
}

// transfer measures all ways from A's disk to B's at one round trip.
func (b *bench) transfer(ctx context.Context, roundTrip time.Duration) (err error) {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	r, err := b.route(roundTrip)
	if err != nil {
		return err
	}
	contenders, notes, stop, err := b.contenders(ctx, r, dir)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	trials, err := compete(ctx, r.rounds, contenders...)
	if err != nil {
		return err
	}
	b.transferRows(r, trials)
	b.transferTable(r, contenders, notes, trials)
	return nil
}

// contenders starts all that take part; stop ends those that were started.
func (b *bench) contenders(ctx context.Context, r route, dir string) (list []contender, notes map[string]string, stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, f := range stops {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	notes = map[string]string{}
	addRival := func(name string, size, warm int64) error {
		one, err := fleet.StartRival(name, dir, newKey(), r.from, r.to)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		stops = append(stops, one.Stop)
		notes[name] = one.Note
		list = append(list, rivalsMove(one, size, warm))
		return nil
	}
	add := func(k fleet.Kind) error {
		if !k.Known() {
			b.skip("Left out, because this registry does not have it: %s.", k.Name)
			return nil
		}
		c, end, err := b.registries(ctx, k, fmt.Sprintf("%s/%s", dir, k.Slug()), r.size, r.warm, r.from, r.to)
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		stops, list = append(stops, end), append(list, c)
		return nil
	}
	for _, start := range []func() error{
		func() error { return add(fleet.ByDataPort) },
		func() error { return addRival(r.line(), r.size, r.warm) },
		func() error {
			if r.roundTrip > 0 {
				return nil
			}
			return add(fleet.ByBlake3)
		},
		func() error { return add(fleet.ByStreams) },
		func() error { return addRival("libp2p", r.size, r.warm) },
		func() error { return addRival("bitswap", r.bitswap, r.bitswap/4) },
	} {
		if err := start(); err != nil {
			return nil, nil, stop, err
		}
	}
	return list, notes, stop, nil
}

// line is the rival of the data port: net/http without a distance, and one warm raw
// connection over one.
func (r route) line() string {
	if r.roundTrip == 0 {
		return "http"
	}
	return "tls"
}

func newKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return hex.EncodeToString(key)
}

var rivalNames = map[string]string{
	"http":    "net/http over TLS 1.3",
	"tls":     "one raw TLS connection",
	"libp2p":  "one raw libp2p stream",
	"bitswap": "bitswap, IPFS-Lite's GetFile",
}

// transferRows are those of the table of targets.
func (b *bench) transferRows(r route, trials map[string][]report.Trial) {
	data, bitswap := 0.65, 4.0
	if r.roundTrip > 0 {
		data, bitswap = 0.8, 10
	}
	for _, want := range []struct {
		ours   fleet.Kind
		theirs string
		target float64
	}{
		{fleet.ByDataPort, r.line(), data}, {fleet.ByBlake3, r.line(), 0.8}, {fleet.ByStreams, "libp2p", 0.7}, {fleet.ByDataPort, "bitswap", bitswap},
	} {
		ours, theirs := trials[want.ours.Name], trials[want.theirs]
		if len(ours) == 0 {
			continue
		}
		measure := fmt.Sprintf("A to B, %s, %d ms, %s", humanize.IBytes(uint64(r.size)), r.roundTrip.Milliseconds(), want.ours.Name)
		against := rivalNames[want.theirs]
		if size := int64(theirs[0].Count); size != r.size {
			against += ", " + humanize.IBytes(uint64(size))
		}
		b.Rows = append(b.Rows, report.BytesRow(measure, against, ours, theirs, report.AtLeast(want.target)))
	}
}

// transferTable shows everyone that took part.
func (b *bench) transferTable(r route, contenders []contender, notes map[string]string, trials map[string][]report.Trial) {
	fmt.Fprintf(&b.Tables, "\n## A's disk to B's, %d ms\n\n%d runs each, in turns, %s ahead of each to warm the connection; in MB/s until the bytes are synced.\n\n"+
		"| way | size | median | least | most | CPU a GiB |\n|---|---|---|---|---|---|\n", r.roundTrip.Milliseconds(), r.rounds, humanize.IBytes(uint64(r.warm)))
	for _, c := range contenders {
		name := c.name
		if long := rivalNames[name]; long != "" {
			name = long
		}
		if note := notes[c.name]; note != "" {
			name += " (" + note + ")"
		}
		got := trials[c.name]
		rate := report.Over(got, report.Trial.Rate)
		fmt.Fprintf(&b.Tables, "| %s | %s | %.0f | %.0f | %.0f | %s |\n", name, humanize.IBytes(uint64(got[0].Count)), rate.Median/1e6, rate.Least/1e6, rate.Most/1e6, report.CPU(got))
	}
}

// registries makes a contender of two registries of a kind: a blob from one's disk
// to the other's. A smaller one goes before, so that connections are warm.
func (b *bench) registries(ctx context.Context, k fleet.Kind, dir string, size, warm int64, from, to *lab.Space) (contender, func() error, error) {
	s, err := fleet.StartSwarm(ctx, b.binary, k, dir, from, to)
	if err != nil {
		return contender{}, nil, err
	}
	return contender{k.Name, func(ctx context.Context) (report.Trial, error) {
		first, err := s[0].Stock(ctx, warm)
		if err != nil {
			return report.Trial{}, err
		}
		timed, err := s[0].Stock(ctx, size)
		if err != nil {
			return report.Trial{}, err
		}
		if _, err := s[1].Fetch(ctx, first); err != nil {
			return report.Trial{}, err
		}
		done := b.profile(ctx, k.Slug(), s...)
		before := fleet.CPUOf(s[0].Proc(), s[1].Proc())
		took, err := s[1].Fetch(ctx, timed)
		t := report.Trial{Count: float64(size), Took: took, CPU: fleet.CPUOf(s[0].Proc(), s[1].Proc()) - before}
		return t, errors.Join(err, done())
	}}, s.Stop, nil
}

// rivalsMove makes a contender that moves a new file after a smaller one that warms the connection.
func rivalsMove(r *fleet.Rivals, size, warm int64) contender {
	return contender{r.Name, func(ctx context.Context) (report.Trial, error) {
		first, err := r.Offer(ctx, "warm", warm)
		if err != nil {
			return report.Trial{}, err
		}
		timed, err := r.Offer(ctx, "timed", size)
		if err != nil {
			return report.Trial{}, err
		}
		if _, _, err := r.Move(ctx, first, warm); err != nil {
			return report.Trial{}, err
		}
		took, cpu, err := r.Move(ctx, timed, size)
		return report.Trial{Count: float64(size), Took: took, CPU: cpu}, err
	}}
}
