package refusals

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/route"
)

const (
	pushLasts = 10 * time.Minute // after its last request
	maxPushes = 10_000
)

// pushes remembers which clients lately began to push to which repositories. Before crane
// and containerd put a manifest, they ask by HEAD whether it is there, and give up at any
// answer but 200 and 404. For a manifest whose bytes no reachable registry holds they are
// answered 404, so that their push heals it. Clients that do not push are told the truth.
type pushes struct {
	mu   sync.Mutex
	last map[push]time.Time
}

// push is a push of one client into one repository.
type push struct{ repository, host, agent string }

func pushOf(r *http.Request, repository string) push {
	host, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	if host == "" {
		host, _, _ = net.SplitHostPort(r.RemoteAddr) // empty where there is none
	}
	return push{repository, strings.TrimSpace(host), r.UserAgent()}
}

// see notes a request that is made only in a push.
func (p *pushes) see(r *http.Request, at route.Route) {
	switch {
	case at.Kind == route.Blob && r.Method == http.MethodHead:
	case at.Kind == route.Uploads, at.Kind == route.Upload:
	default:
		return
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || len(p.last) >= maxPushes {
		p.sweep(now)
	}
	p.last[pushOf(r, at.Repository)] = now
}

// sweep forgets pushes that ended, or all pushes when too many have not ended. mu is held.
func (p *pushes) sweep(now time.Time) {
	kept := map[push]time.Time{}
	for key, at := range p.last {
		if now.Sub(at) < pushLasts {
			kept[key] = at
		}
	}
	if len(kept) >= maxPushes {
		kept = map[push]time.Time{}
	}
	p.last = kept
}

// asksToPush reports whether a request asks for a manifest that it is about to push.
func (p *pushes) asksToPush(r *http.Request, at route.Route) bool {
	if at.Kind != route.Manifest || r.Method != http.MethodHead {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, ok := p.last[pushOf(r, at.Repository)]
	return ok && time.Since(seen) < pushLasts
}
