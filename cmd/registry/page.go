package main

import (
	"context"
	"time"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/gather"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/web"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// newPage makes the page of the storage. The configuration is as it was read: what is set for the
// storage is not what the operator wrote.
func newPage(config configuration.Configuration, p driver.Parameters, d *driver.Driver) *web.Page {
	return web.New(web.Source{Storage: d, Doctor: func(ctx context.Context) []doctor.Finding {
		ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
		defer cancel()
		return doctor.Examine(lookAround(ctx, config, p, d))
	}})
}

const tooLong = "it did not come to it in time"

// lookAround gathers the facts about this registry, which runs, as `ipfs doctor` does from outside.
func lookAround(ctx context.Context, config configuration.Configuration, p driver.Parameters, d *driver.Driver) doctor.Facts {
	status, swarm, reach := d.Status(ctx), d.Swarm(ctx), d.Reach(ctx)
	facts := doctor.Facts{At: time.Now(), Status: &status, Swarm: &swarm, Reach: &reach, Runs: true}
	if ctx.Err() != nil { // whom it did not come to says nothing, which is not that all is fine
		facts.Swarm, facts.Reach = nil, nil
		facts.NoSwarm, facts.NoReach = tooLong, tooLong
	}
	facts.Config, facts.Machine = gather.Config(&config, p), gather.Machine(ctx, &config, p, true)
	return facts
}
