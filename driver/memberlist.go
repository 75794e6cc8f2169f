package driver

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// KnownMember is what a registry knows of another one, and what it takes it for.
type KnownMember struct {
	PeerID       string         `json:"peer_id"`
	Name         string         `json:"name"`          // as it says, or else as the lists of peers call it; "": neither
	State        string         `json:"state"`         // connected, away, never met, or revoked
	Trusted      bool           `json:"trusted"`       // its changes count here
	Allowed      bool           `json:"allowed"`       // it gets connections here
	Confirmed    bool           `json:"confirmed"`     // something useful came of it, or trustedpeers names it: it counts while it is away
	FirstSeen    *time.Time     `json:"first_seen"`    // since when it has been known; nil: never met, or an earlier release met it
	LastHeard    *time.Time     `json:"last_heard"`    // nil: never met, nor in the swarm's list
	Revoked      *time.Time     `json:"revoked"`       // since when it is shut out for good, by the clock of the registry that was asked to; nil: it is not
	Listed       *time.Time     `json:"listed"`        // when it last wrote itself into the swarm's list of members, which it does once a day, by its own clock; nil: it is not in the list
	Away         *time.Duration `json:"away"`          // nanoseconds that this registry has run without it; nil: it is connected, or was never met
	ForgottenIn  *time.Duration `json:"forgotten_in"`  // nanoseconds in which nothing may be heard of it before it is forgotten; nil: it is connected, never met, or a bootstrapper of the configuration
	Version      string         `json:"version"`       // of its release, as it says; "": it has not said it
	Capabilities []string       `json:"capabilities"`  // what it last said it understands
	Wrote        bool           `json:"wrote"`         // changes of its own are in the path map
	HoldsUp      []string       `json:"holds_up"`      // what waits for it: "garbage", "history"
	WaitsBecause string         `json:"waits_because"` // why it could not be asked; "": nothing waits for it
}

// KnownMembers are all registries that one knows, without itself.
type KnownMembers struct {
	Listed  *time.Time    `json:"listed"`  // when the one that is asked last wrote itself into the swarm's list of members; nil: it is not in the list
	Members []KnownMember `json:"members"` // by peer ID; those that were never met come after those that were, and the revoked last
}

// Members are all registries that this one knows: those that it is connected with, that it remembers, that
// its lists of peers name, that once wrote to its path map, and that were revoked.
func (d *Driver) Members(context.Context) (KnownMembers, error) { return d.store.knownMembers() }

// Members asks which registries one knows, as Driver.Members does.
func (c *Client) Members(ctx context.Context) (KnownMembers, error) {
	return ask[KnownMembers](ctx, c, http.MethodGet, "/v1/members", nil)
}

func (s *store) membersRoute() admin.Route {
	return admin.Get("/v1/members", "All registries that this one knows: connected, away, or named and never met.",
		func(context.Context, admin.Query) (KnownMembers, error) { return s.knownMembers() })
}

func (s *store) knownMembers() (KnownMembers, error) {
	k := KnownMembers{Members: []KnownMember{}}
	garbage, history, writers := s.garbageStatus().WaitsFor, s.historyStatus().WaitsFor, s.paths.Writers()
	listed := s.engine.ListedAt()
	if at, ok := listed[s.engine.Self()]; ok {
		k.Listed = &at
	}
	revocations, revoked := s.engine.Revoked(), map[string]bool{}
	for _, r := range revocations {
		revoked[r.ID.String()] = true
	}
	add := func(m engine.Member, met bool) {
		of := s.knownMember(m, met)
		if at, ok := listed[of.PeerID]; ok {
			of.Listed = &at
		}
		of.holdsUp("garbage", garbage)
		of.holdsUp("history", history)
		of.Wrote = writers[of.PeerID] > 0
		k.Members = append(k.Members, of)
	}
	for _, m := range s.engine.Members() {
		if (m.Connected || m.Confirmed) && !revoked[m.ID.String()] { // any other is not missed
			add(m, true)
		}
	}
	never, err := s.engine.NeverMet()
	for _, m := range never {
		add(m, false)
	}
	for _, r := range revocations {
		k.Members = append(k.Members, KnownMember{
			PeerID: r.ID.String(), Name: cmp.Or(r.Name, s.engine.ListedName(r.ID)), State: "revoked", Revoked: &r.At,
			Wrote: writers[r.ID.String()] > 0, Capabilities: []string{}, HoldsUp: []string{},
		})
	}
	return k, err
}

// holdsUp notes that something waits for the member, if it is among those that it waits for.
func (m *KnownMember) holdsUp(what string, waitsFor []Unheard) {
	for _, u := range waitsFor {
		if u.PeerID == m.PeerID {
			m.HoldsUp, m.WaitsBecause = append(m.HoldsUp, what), cmp.Or(m.WaitsBecause, u.Reason)
		}
	}
}

func (s *store) knownMember(m engine.Member, met bool) KnownMember {
	of := KnownMember{
		PeerID: m.ID.String(), Name: cmp.Or(m.Name, s.engine.ListedName(m.ID)), State: "never met", Trusted: m.Trusted, Allowed: m.Allowed,
		Confirmed: m.Confirmed, Capabilities: append([]string{}, m.Capabilities...), HoldsUp: []string{},
	}
	if !met {
		return of
	}
	if !m.First.IsZero() {
		of.FirstSeen = &m.First
	}
	of.State, of.LastHeard = "connected", &m.Since
	if !m.Connected {
		of.State, of.Away = "away", &m.Away
		if left := max(0, s.engine.Expiry()-m.Unheard); !m.Kept {
			of.ForgottenIn = &left
		}
	}
	if beat := m.Heartbeat; beat != nil {
		of.Version = beat.Version
		if m.Connected && beat.Heard.After(m.Since) {
			of.LastHeard = &beat.Heard
		}
	}
	return of
}
