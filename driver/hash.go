package driver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	// hashSetting is the swarm's hash function in the path map.
	hashSetting = "hash"
	// learnTimeout bounds each of the two waits of a push before this registry may
	// write `hash` into the map: for a member, and for what it knows.
	learnTimeout = 2 * time.Second
	// learnPause is how long the members are not asked again after they gave no answer.
	learnPause = 30 * time.Second
)

// learning is the state of finding out which function the swarm uses.
type learning struct {
	mu     sync.Mutex // held while one push finds out for all others
	waited bool       // for the first member
	again  time.Time  // not asked before
}

// function is the one that new blobs are named with when the map has none.
func (p Parameters) function() dag.Function {
	if f, ok := dag.ParseFunction(p.Hash); ok {
		return f
	}
	return dag.SHA2
}

// followHash makes new blobs use the map's function, whatever is configured here.
func (r *rooms) followHash(setting, value string) {
	if setting != hashSetting {
		return
	}
	f, ok := dag.ParseFunction(value)
	if !ok {
		f = dag.SHA2
		r.log.WithField("hash", value).Warn("this release does not know the hash function of the swarm: new blobs are named with sha2-256; upgrade this registry")
	} else if r.params.Hash != "" && r.params.Hash != value {
		r.log.WithField("hash", value).Warnf("the swarm uses another hash function than the configured %s: this registry follows; correct `hash`, or leave it out", r.params.Hash)
	}
	r.blobs.SetFunction(f)
}

// settleHash is called before a blob is hashed here. When `hash` is configured and the map
// has no function, settleHash writes the configured one there, so that the swarm follows
// it, but not before this registry had the chance to learn what the others agreed on:
//
//   - with members connected they are asked first, for 2 s at most; without an
//     answer nothing is written, and they are asked again half a minute later;
//   - with none, a registry that has bootstrappers writes nothing; the first time,
//     while its map is empty, it waits up to 2 s for one;
//   - with none and no bootstrappers it begins the swarm, and writes.
//
// A registry outside its own trustedpeers never writes it. While nothing is written
// the configured function is used. Two registries that write at once converge on one
// value; blobs that were named with the other one are read as before, because each
// CID says its own.
func (r *rooms) settleHash(ctx context.Context) error {
	if r.params.Hash == "" || r.ReadOnly() || r.hashSettled() {
		return nil
	}
	r.learning.mu.Lock()
	defer r.learning.mu.Unlock()
	if r.hashSettled() || !r.learnHash(ctx) {
		return nil
	}
	if err := r.paths.Settle(ctx, hashSetting, r.params.Hash); err != nil {
		return fmt.Errorf("tell the swarm of `hash`: %w", err)
	}
	return nil
}

func (r *rooms) hashSettled() bool { return r.paths.View().HasSetting(hashSetting) }

// learnHash reports whether the map now has everything that the swarm knows about this.
func (r *rooms) learnHash(ctx context.Context) bool {
	l := &r.learning
	if r.peer == nil {
		return true
	}
	if !r.meetsMembers() {
		if !r.joinsOthers() {
			return true
		}
		if l.waited || r.paths.View().Len() > 0 {
			return false
		}
		l.waited = true
		r.awaitMember(ctx, time.Now().Add(learnTimeout))
		if !r.meetsMembers() {
			return false
		}
	}
	if time.Now().Before(l.again) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	if err := r.paths.CatchUp(ctx); err != nil {
		l.again = time.Now().Add(learnPause)
		return false
	}
	return true
}
