package main

import (
	"context"
	"fmt"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"slices"
	"time"
)

// contender is one of several ways of doing the same thing.
type contender struct {
	name string
	run  func(context.Context) (report.Trial, error)
}

// compete lets contenders take turns, and returns the trials of each by its name.
func compete(ctx context.Context, rounds int, contenders ...contender) (map[string][]report.Trial, error) {
	trials := map[string][]report.Trial{}
	for range rounds {
		for _, c := range contenders {
			t, err := c.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			trials[c.name] = append(trials[c.name], t)
		}
	}
	return trials, nil
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

func longest(d []time.Duration) time.Duration { return slices.Max(d) }
