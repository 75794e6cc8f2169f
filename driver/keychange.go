package driver

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// KeyChange is how far a swarm is with a change of its protector key.
type KeyChange struct {
	Stage      string      `json:"stage"`      // none, first round, second round, or apart: some that have one key only cannot reach each other
	Next       string      `json:"next"`       // what is to be done now
	Registries []KeyHolder `json:"registries"` // the one that is asked, and then its members by peer ID
}

// KeyHolder is a registry, and which keys it has.
type KeyHolder struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`  // as it says; "": nothing
	State  string `json:"state"` // this one, connected, or away: then keys are those of the last time
	Keys   string `json:"keys"`  // old, both, new, one where nobody has a next key, other, or unknown: it is of an earlier release

	fingerprints []string
}

// KeyChange asks how far the swarm is with a change of its protector key.
func (c *Client) KeyChange(ctx context.Context) (KeyChange, error) {
	return ask[KeyChange](ctx, c, http.MethodGet, "/v1/keychange", nil)
}

func (s *store) keyChangeRoute() admin.Route {
	return admin.Get("/v1/keychange", "How far the swarm is with a change of its protector key.",
		func(context.Context, admin.Query) (KeyChange, error) { return keyChange(s.keyHolders()), nil })
}

// keyHolders are this registry and those of its members that count, with their fingerprints.
func (s *store) keyHolders() []KeyHolder {
	all := []KeyHolder{{PeerID: s.engine.Self(), Name: s.engine.Name(), State: "this one", fingerprints: s.engine.KeyFingerprints()}}
	for _, m := range s.engine.Members() {
		if !m.Trusted || !m.Connected && !m.Confirmed { // what it says does not count, or it is not missed
			continue
		}
		h := KeyHolder{PeerID: m.ID.String(), Name: m.Name, State: "away"}
		if m.Connected {
			h.State = "connected"
		}
		if beat := m.Heartbeat; beat != nil {
			h.fingerprints = slices.DeleteFunc(beat.Keys[:], func(f string) bool { return f == "" })
		}
		all = append(all, h)
	}
	return all
}

// keyChange decides who has which key, and what is next. A registry with two keys says which of them is old.
func keyChange(all []KeyHolder) KeyChange {
	var pair []string
	for _, h := range all {
		if pair == nil && len(h.fingerprints) == 2 {
			pair = h.fingerprints
		}
	}
	named := map[string][]string{}
	for i := range all {
		h := &all[i]
		h.Keys = keysOf(h.fingerprints, pair, all[0].fingerprints)
		name := h.Name
		if name == "" {
			name = h.PeerID
		}
		if h.State == "away" {
			name += " (away)"
		}
		named[h.Keys] = append(named[h.Keys], name)
	}
	c := KeyChange{Registries: all}
	c.Stage, c.Next = nextOf(pair != nil, named)
	return c
}

// keysOf says which of the two keys of a pair a registry has, or whether it has the asked one's where there is no pair.
func keysOf(has, pair, asked []string) string {
	switch {
	case len(has) == 0:
		return "unknown"
	case pair == nil && slices.Equal(has, asked):
		return "one"
	case pair != nil && slices.Equal(has, pair):
		return "both"
	case pair != nil && slices.Equal(has, pair[:1]):
		return "old"
	case pair != nil && slices.Equal(has, pair[1:]):
		return "new"
	}
	return "other"
}

// nextOf is what is to be done, by the names of those that have each kind of keys.
func nextOf(changing bool, named map[string][]string) (stage, next string) {
	first := slices.Concat(named["old"], named["unknown"], named["other"])
	switch {
	case !changing:
		return "none", "no registry has a next key: to change the key, set protectorkeynext on all, one after the other"
	case len(first) > 0 && len(named["new"]) > 0:
		return "apart", "set protectorkeynext, with the old key as protectorkey, on " + strings.Join(slices.Concat(named["new"], first), ", ") +
			": some have the old key only and some the new one only, and do not reach each other"
	case len(first) > 0:
		return "first round", "set protectorkeynext on " + strings.Join(first, ", ")
	}
	return "second round", "make the new key protectorkey, and take protectorkeynext out, on " + strings.Join(named["both"], ", ")
}
