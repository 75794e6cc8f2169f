package driver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// KeyChange is how far a swarm is with a change of its protector key.
type KeyChange struct {
	Stage      string      `json:"stage"`      // none, first round, second round, or apart: some that have one key only cannot reach each other
	Next       string      `json:"next"`       // what is to be done now
	Registries []KeyHolder `json:"registries"` // the one that is asked, its members by peer ID, and those that were never met
}

// KeyHolder is a registry, and which keys it has.
type KeyHolder struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`  // as it says, or else as the lists of peers call it; "": neither
	State  string `json:"state"` // this one, connected, away: then keys are those of the last time, or never met
	Keys   string `json:"keys"`  // old, both, "both, turned", new, one where nobody has a next key, other, or unknown: it is of an earlier release, not heard, or not trusted here

	fingerprints []string
}

// KeyChange asks how far the swarm is with a change of its protector key.
func (c *Client) KeyChange(ctx context.Context) (KeyChange, error) {
	return ask[KeyChange](ctx, c, http.MethodGet, "/v1/keychange", nil)
}

func (s *store) keyChangeRoute() admin.Route {
	return admin.Get("/v1/keychange", "How far the swarm is with a change of its protector key.",
		func(context.Context, admin.Query) (KeyChange, error) {
			all, err := s.keyHolders()
			if err != nil {
				return KeyChange{}, err
			}
			return keyChange(all), nil
		})
}

var errNoKey = errors.New("this registry has no protector key: it is offline, or on the public network")

// keyHolders are this registry and all that it knows of, with the fingerprints of those that it trusts.
func (s *store) keyHolders() ([]KeyHolder, error) {
	all := []KeyHolder{{PeerID: s.engine.Self(), Name: s.engine.Name(), State: "this one", fingerprints: s.engine.KeyFingerprints()}}
	if len(all[0].fingerprints) == 0 {
		return nil, errNoKey
	}
	for _, m := range s.engine.Members() {
		if m.Connected || m.Confirmed { // any other is not missed
			all = append(all, s.keyHolder(m))
		}
	}
	never, err := s.engine.NeverMet()
	for _, m := range never {
		h := s.keyHolder(m)
		h.State = "never met"
		all = append(all, h)
	}
	return all, err
}

func (s *store) keyHolder(m engine.Member) KeyHolder {
	h := KeyHolder{PeerID: m.ID.String(), Name: cmp.Or(m.Name, s.engine.ListedName(m.ID)), State: "away"}
	if m.Connected {
		h.State = "connected"
	}
	if beat := m.Heartbeat; beat != nil && m.Trusted { // of any other it is hearsay
		h.fingerprints = slices.DeleteFunc(beat.Keys[:], func(f string) bool { return f == "" })
	}
	return h
}

// here reports whether it runs, as far as is known.
func (h KeyHolder) here() bool { return h.State == "this one" || h.State == "connected" }

// label names it to somebody who is to change its configuration.
func (h KeyHolder) label() string {
	name := cmp.Or(h.Name, h.PeerID)
	if !h.here() {
		name += " (" + h.State + ")"
	}
	return name
}

// keyChange decides who has which key, and what is next.
func keyChange(all []KeyHolder) KeyChange {
	pair := keyPair(all)
	named := map[string][]string{}
	for i := range all {
		h := &all[i]
		h.Keys = keysOf(h.fingerprints, pair, all[0].fingerprints)
		kind := h.Keys
		switch {
		case h.Keys == "both, turned":
			kind = "both" // it only dials with the old one first
		case !h.here() && slices.Contains([]string{"old", "other", "unknown"}, h.Keys):
			kind = "gone" // nothing can be done now, and nobody has to wait
		}
		named[kind] = append(named[kind], h.label())
	}
	c := KeyChange{Registries: all}
	c.Stage, c.Next = nextOf(pair != nil, named)
	if gone := named["gone"]; len(gone) > 0 {
		c.Next += "; before it is started, give the keys that the others have by then to " + strings.Join(gone, ", ") + ", or forget it (`registry ipfs forget`)"
	}
	return c
}

// keyPair is the old key and the next one, as most of those say that have two; nil when none has.
func keyPair(all []KeyHolder) (pair []string) {
	most, votes := 0, map[[2]string]int{}
	for _, h := range all {
		if len(h.fingerprints) == 2 {
			votes[[2]string(h.fingerprints)]++
		}
	}
	for _, h := range all { // in this order: what the asked one has is preferred
		if len(h.fingerprints) == 2 && votes[[2]string(h.fingerprints)] > most {
			pair, most = h.fingerprints, votes[[2]string(h.fingerprints)]
		}
	}
	return pair
}

// keysOf says which of the two keys of a pair a registry has, or whether it has the asked one's where there is no pair.
func keysOf(has, pair, asked []string) string {
	switch {
	case len(has) == 0:
		return "unknown"
	case pair == nil && slices.Equal(has, asked):
		return "one"
	case pair == nil:
		return "other"
	case slices.Equal(has, pair):
		return "both"
	case slices.Equal(has, []string{pair[1], pair[0]}):
		return "both, turned"
	case slices.Equal(has, pair[:1]):
		return "old"
	case slices.Equal(has, pair[1:]):
		return "new"
	}
	return "other"
}

// nextOf is what is to be done, by the names of those that have each kind of keys.
func nextOf(changing bool, named map[string][]string) (stage, next string) {
	var steps []string
	on := func(what, kind string) {
		if some := named[kind]; len(some) > 0 {
			steps = append(steps, what+" "+strings.Join(some, ", "))
		}
	}
	lags := len(named["old"])+len(named["other"]) > 0
	switch {
	case !changing && len(named["other"])+len(named["unknown"]) > 0:
		stage = "none"
		on("set the key of this registry on", "other")
		on("update, or look for yourself which key they have:", "unknown")
	case !changing:
		stage, steps = "none", []string{"all have one key, and any before it may go; to change it, set protectorkeynext on all, one after the other"}
	case lags && len(named["new"]) > 0:
		stage = "apart"
		on("some have the old key only and some the new one only, and do not reach each other: set protectorkeynext, with the old key as protectorkey, on", "new")
		on("and on", "old")
		on("correct the keys of", "other")
	case lags, len(named["unknown"]) > 0 && len(named["new"]) == 0:
		stage = "first round"
		on("set protectorkeynext on", "old")
		on("correct the keys of", "other")
		on("update, or look for yourself which keys they have:", "unknown")
	default:
		stage = "second round"
		on("make the new key protectorkey, and take protectorkeynext out, on", "both")
		on("look for yourself which keys they have:", "unknown")
	}
	return stage, strings.Join(steps, "; ")
}
