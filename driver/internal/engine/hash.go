package engine

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
	// learnPause is how long the members are left alone after they gave no answer.
	learnPause = 30 * time.Second
)

// learning is the state of finding out which function the swarm uses.
type learning struct {
	mu     sync.Mutex // held while one push finds out for all others
	waited bool       // for the first member
	again  time.Time  // not asked before
}

// function is the one that new blobs are named with when the map has none.
func (c Config) function() dag.Function {
	if f, ok := dag.ParseFunction(c.Hash); ok {
		return f
	}
	return dag.SHA2
}

// followHash makes new blobs use the map's function, whatever is configured here.
func (e *Engine) followHash(value string) {
	f, ok := dag.ParseFunction(value)
	if !ok {
		f = dag.SHA2
		e.Log.WithField("hash", value).Warn("this release does not know the hash function of the swarm: new blobs are named with sha2-256; upgrade this registry")
	} else if e.cfg.Hash != "" && e.cfg.Hash != value {
		e.Log.WithField("hash", value).Warnf("the swarm uses another hash function than the configured %s: this registry follows; correct `hash`, or leave it out", e.cfg.Hash)
	}
	e.Blobs.SetFunction(f)
}

// SettleHash is called before a blob is hashed here. When `hash` is configured and the map
// has no function, SettleHash writes the configured one there, so that the swarm follows
// it, but not before this registry had the chance to learn what other registries agreed on:
//
//   - with members connected they are asked first, for 2 s at most; without an
//     answer nothing is written, and they are asked again half a minute later;
//   - with none, a registry that has bootstrappers writes nothing; the first time,
//     while its map is empty, it waits up to 2 s for one;
//   - with none, and no bootstrappers or such as lead to itself only, it begins the swarm, and
//     writes.
//
// A registry outside its own trustedpeers never writes it. While nothing is written
// the configured function is used. Two registries that write at once converge on one
// value; blobs that were named with the other one are read as before, because each
// CID says its own.
func (e *Engine) SettleHash(ctx context.Context) error {
	if e.cfg.Hash == "" || e.ReadOnly() || e.hashSettled() {
		return nil
	}
	e.learning.mu.Lock()
	defer e.learning.mu.Unlock()
	if e.hashSettled() || !e.learnHash(ctx) {
		return nil
	}
	if err := e.Paths.Settle(ctx, hashSetting, e.cfg.Hash); err != nil {
		return fmt.Errorf("tell the swarm of `hash`: %w", err)
	}
	return nil
}

func (e *Engine) hashSettled() bool { return e.Paths.View().HasSetting(hashSetting) }

// learnHash reports whether the map now has everything that the swarm knows about its hash
// function.
func (e *Engine) learnHash(ctx context.Context) bool {
	l := &e.learning
	if e.Peer == nil {
		return true
	}
	if !e.meetsMembers() {
		if !e.joinsOthers() || e.phase() == joined { // it begins the swarm
			return true
		}
		if l.waited || e.Paths.View().Len() > 0 {
			return false
		}
		l.waited = true
		e.awaitMember(ctx, time.Now().Add(learnTimeout))
		if !e.meetsMembers() {
			return false
		}
	}
	if time.Now().Before(l.again) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	if err := e.Paths.CatchUp(ctx); err != nil {
		l.again = time.Now().Add(learnPause)
		return false
	}
	return true
}
