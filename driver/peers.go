package driver

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// mostPeers is how many peers one answer has.
const mostPeers = 2000

// Peers are the peers that are connected to a registry, and the members that are away.
type Peers struct {
	Peers []PeerLink `json:"peers"` // the connected ones first, by rank, name and peer ID, then those that are away; no more than 2,000
	More  int        `json:"more"`  // how many are left out, of the last ones
}

// PeerLink is how a registry and a peer are connected, or were.
type PeerLink struct {
	PeerID    string         `json:"peer_id"`
	Name      string         `json:"name"`    // as the member says; "" unknown
	Rank      string         `json:"rank"`    // trusted, member (on the topic, and its changes do not count), connected (no member), or stranger (never met)
	Version   string         `json:"version"` // of a member's release, as it says; of any other peer what it calls its program; "": it has not said it
	Connected bool           `json:"connected"`
	Since     *time.Time     `json:"since"`      // when it was connected, or lost; nil: a bootstrapper that was never met
	Dialed    bool           `json:"dialed"`     // this registry dialed it; else it dialed this one
	Address   string         `json:"address"`    // multiaddr of the other end of the connection; of one that is away, where it was last reached; "" unknown
	Road      string         `json:"road"`       // of that connection: tcp, quic, websocket, relay (through another peer) or other; "": it is away
	Relay     string         `json:"relay"`      // peer ID of the member by way of which it is connected; "": it is reached straight, or away
	DataPort  bool           `json:"data_port"`  // blobs are fetched from its data port, not over that connection
	RoundTrip *time.Duration `json:"round_trip"` // nanoseconds until a ping came back; nil: none did within two seconds, or it is no member

	BytesIn  int64    `json:"bytes_in"`  // received from it since the start of this registry, in streams and from its data port
	BytesOut int64    `json:"bytes_out"` // sent to it, likewise
	RateIn   *float64 `json:"rate_in"`   // bytes a second now; nil: it is away
	RateOut  *float64 `json:"rate_out"`

	Refused   map[string]int64 `json:"refused"`    // how often it was refused what since the start, as in Status.Limits
	LastError *PeerTrouble     `json:"last_error"` // nil: there was none since the start
}

// PeerTrouble is the last that went wrong with a peer: why it could not be dialed, or why its
// changes are not taken.
type PeerTrouble struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Peers says who is connected, and pings the members. It takes a second, over which rates are
// measured, and one more when a member is silent.
//
// Who asks while they are pinged for another gets the same answer, which is not to be changed. There
// are none when ctx ends before.
func (d *Driver) Peers(ctx context.Context) Peers {
	p, err := d.store.askedPeers(ctx)
	if err != nil {
		return Peers{Peers: []PeerLink{}}
	}
	return p
}

// Peers asks who is connected, as Driver.Peers does.
func (c *Client) Peers(ctx context.Context) (Peers, error) {
	return ask[Peers](ctx, c, http.MethodGet, "/v1/peers", nil)
}

func (s *store) peersRoute() admin.Route {
	return admin.Get("/v1/peers", "Who is connected to this registry, and which members are away. Members are pinged, and rates measured over a second.",
		func(ctx context.Context, _ admin.Query) (Peers, error) { return s.askedPeers(ctx) })
}

func (s *store) askedPeers(ctx context.Context) (Peers, error) {
	return s.peering.ask(ctx, "", func(ctx context.Context) (Peers, error) { return s.peers(ctx), nil })
}

func (s *store) peers(ctx context.Context) Peers {
	began, before := time.Now(), s.engine.Links()
	trips := s.engine.RoundTrips(ctx)
	select {
	case <-time.After(rateTime - min(rateTime, time.Since(began))):
	case <-ctx.Done():
	}
	all := s.connectedPeers(before, time.Since(began).Seconds())
	seen := map[string]*PeerLink{}
	for i := range all {
		of := &all[i]
		seen[of.PeerID] = of
		if d, ok := trips[of.PeerID]; ok {
			of.RoundTrip = &d
		}
	}
	var away []PeerLink
	for _, m := range s.engine.Members() {
		if of := seen[m.ID.String()]; of != nil {
			of.says(m)
		} else if m.Confirmed { // any other is not missed
			away = append(away, s.awayPeer(m))
			seen[m.ID.String()] = nil
		}
	}
	for _, b := range s.engine.Bootstrappers() {
		if b.ID == "" {
			continue // whoever answers there is listed by its ID
		}
		if of, ok := seen[b.ID.String()]; !ok {
			away = append(away, neverMet(b))
		} else if of != nil && b.Trouble != "" { // it is connected, and no member
			of.LastError = &PeerTrouble{At: *of.Since, Text: b.Trouble}
		}
	}
	all = append(all, away...)
	slices.SortFunc(all, byRank)
	n := min(len(all), mostPeers)
	return Peers{Peers: all[:n], More: len(all) - n}
}

// connectedPeers are those that are connected now, with what has passed since some seconds before.
func (s *store) connectedPeers(before []engine.Link, seconds float64) []PeerLink {
	was := map[string]engine.Link{}
	for _, l := range before {
		was[l.ID.String()] = l
	}
	all := []PeerLink{}
	for _, l := range s.engine.Links() {
		of := PeerLink{
			PeerID: l.ID.String(), Rank: l.Rank.String(), Version: l.Agent, Connected: true, Since: &l.Opened, Dialed: l.Dialed, Address: l.Addr,
			Road: string(l.Road), Relay: engine.RelayIn(l.Addr), BytesIn: l.In, BytesOut: l.Out, Refused: s.engine.RefusedTo(l.ID.String()),
		}
		if b, ok := was[of.PeerID]; ok {
			in, out := rate(l.In-b.In, seconds), rate(l.Out-b.Out, seconds)
			of.RateIn, of.RateOut = &in, &out
		}
		all = append(all, of)
	}
	return all
}

func rate(n int64, seconds float64) float64 { return max(0, float64(n)) / max(seconds, 1e-3) }

// says fills in what is known of a peer that is, or was, a member.
func (l *PeerLink) says(m engine.Member) {
	l.Name = m.Name
	if m.Connected {
		l.Since, l.DataPort = &m.Since, m.DataPort
	}
	if beat := m.Heartbeat; beat != nil && beat.Version != "" {
		l.Version = beat.Version
	}
	if f := m.Failure; !f.At.IsZero() {
		l.LastError = &PeerTrouble{At: f.At, Text: f.Reason}
	}
	if r := m.Refused; r != nil && (l.LastError == nil || r.Since.After(l.LastError.At)) {
		l.LastError = &PeerTrouble{At: r.Since, Text: "its changes are not taken: " + r.Reason}
	}
}

// awayPeer is a member that is not connected.
func (s *store) awayPeer(m engine.Member) PeerLink {
	l := PeerLink{PeerID: m.ID.String(), Rank: "member", Since: &m.Since, Refused: s.engine.RefusedTo(m.ID.String())}
	if m.Trusted {
		l.Rank = "trusted"
	}
	if len(m.Addrs) > 0 {
		l.Address = m.Addrs[0].String()
	}
	l.says(m)
	return l
}

// neverMet is a bootstrapper that this registry has not been connected to.
func neverMet(b engine.Bootstrapper) PeerLink {
	l := PeerLink{PeerID: b.ID.String(), Rank: "stranger", Refused: map[string]int64{}}
	if len(b.Addrs) > 0 {
		l.Address = b.Addrs[0].String()
	}
	if b.Trouble != "" {
		l.LastError = &PeerTrouble{At: b.Tried, Text: b.Trouble}
	}
	return l
}

// byRank orders peers: who is connected, then who counts most, then by name.
func byRank(a, b PeerLink) int {
	ranks := []string{"trusted", "member", "connected", "stranger"}
	order := func(l PeerLink) int {
		n := slices.Index(ranks, l.Rank)
		if !l.Connected {
			n += len(ranks)
		}
		return n
	}
	return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.PeerID, b.PeerID))
}
