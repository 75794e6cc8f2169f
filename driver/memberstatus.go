package driver

import (
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Member is another registry of the swarm, as this one knows it.
type Member struct {
	PeerID       string       `json:"peer_id"`
	Name         string       `json:"name"`          // as the member says; "" unknown
	Addresses    []string     `json:"addresses"`     // multiaddrs where it may be reached
	Address      string       `json:"address"`       // multiaddr of the other end of the connection in use; "" while it is away
	Connected    bool         `json:"connected"`     // now
	DataPort     bool         `json:"data_port"`     // blobs are fetched from its data port, not over libp2p streams
	Since        time.Time    `json:"since"`         // of being connected, or of being away
	LastDelta    *time.Time   `json:"last_delta"`    // when a change of its own came last; nil: none in this run
	Trusted      bool         `json:"trusted"`       // its changes count here
	TrustDiffers bool         `json:"trust_differs"` // its list of trusted peers is another one
	NotFollowed  *NotFollowed `json:"not_followed"`  // nil: its changes are taken
	Capabilities []string     `json:"capabilities"`  // what it last said it understands
}

// NotFollowed is why a member's changes are not taken: none that it wrote since are.
type NotFollowed struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// Bootstrapper is a member that the configuration names to join by.
type Bootstrapper struct {
	PeerID    string   `json:"peer_id"`
	Addresses []string `json:"addresses"` // multiaddrs, as configured
	Met       bool     `json:"met"`       // it has been connected since the start
	Trouble   string   `json:"trouble"`   // why it was not met when it was last tried; "" met, or not tried yet
}

func (r *rooms) members() []Member {
	members := []Member{}
	if r.peer == nil {
		return members
	}
	refused := r.paths.Refused()
	for _, m := range r.peer.Members() {
		members = append(members, Member{
			PeerID: m.ID.String(), Name: m.Name, Capabilities: append([]string{}, m.Capabilities...),
			Addresses: texts(m.Addrs), Address: r.peer.AddrInUse(m.ID), Connected: m.Connected, Since: m.Since,
			Trusted: r.peer.Trusts(m.ID), TrustDiffers: m.TrustDiffers, LastDelta: r.lastDelta(m.ID.String()),
			DataPort: m.Connected && r.transfers.UsesDataPort(m.ID), NotFollowed: notFollowed(refused, m.ID),
		})
	}
	return members
}

func (r *rooms) bootstrappers() []Bootstrapper {
	all := []Bootstrapper{}
	if r.peer == nil {
		return all
	}
	for _, b := range r.peer.Bootstrappers() {
		all = append(all, Bootstrapper{
			PeerID: b.ID.String(), Addresses: texts(b.Addrs), Met: b.Met, Trouble: b.Trouble,
		})
	}
	return all
}

func notFollowed(refused map[libpeer.ID]pathmap.Refusal, id libpeer.ID) *NotFollowed {
	r, ok := refused[id]
	if !ok {
		return nil
	}
	return &NotFollowed{Since: r.Since, Reason: r.Reason}
}

func (r *rooms) lastDelta(writer string) *time.Time {
	t, ok := r.paths.LastDelta(writer)
	if !ok {
		return nil
	}
	return &t
}
