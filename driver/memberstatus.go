package driver

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// Member is another registry of the swarm, as this one knows it.
type Member struct {
	PeerID       string       `json:"peer_id"`
	Name         string       `json:"name"`          // as the member says; "" unknown
	Addresses    []string     `json:"addresses"`     // multiaddrs where it may be reached
	Address      string       `json:"address"`       // multiaddr of the other end of the connection in use; "" while it is away
	Relay        string       `json:"relay"`         // peer ID of the member by way of which it is connected; "": it is reached straight, or away
	Connected    bool         `json:"connected"`     // now
	DataPort     bool         `json:"data_port"`     // blobs are fetched from its data port, not over libp2p streams
	Since        time.Time    `json:"since"`         // when it was connected, or lost
	LastDelta    *time.Time   `json:"last_delta"`    // when a change of its own last arrived; nil: none in this run
	Trusted      bool         `json:"trusted"`       // its changes count here
	TrustDiffers bool         `json:"trust_differs"` // its list of trusted peers is another one
	NotFollowed  *NotFollowed `json:"not_followed"`  // nil: its changes are taken
	Capabilities []string     `json:"capabilities"`  // what it last said it understands
	Greeted      bool         `json:"greeted"`       // it has said hello since it was connected: before, what it said is of another time
	Zone         string       `json:"zone"`          // as it says
	Capacity     *int64       `json:"capacity"`      // bytes that it keeps for others, as it says; nil: it has not said it
	FreeBytes    *int64       `json:"free_bytes"`    // on its disk, as it said last; nil: it has not said it
	NoRoom       *BlobAmount  `json:"no_room"`       // copies that it is to keep and has no room for, as it said last: blobs, and bytes that have to become free for them; nil: none
	Draining     bool         `json:"draining"`      // it is to be switched off for good
	Drained      bool         `json:"drained"`       // it is draining, and others have all that it had: it is forgotten once it is away
	Confirmed    bool         `json:"confirmed"`     // something useful came of it, or trustedpeers names it
	Version      string       `json:"version"`       // of its release, as it says; "": it has not said it

	DataAddresses []string `json:"data_addresses"` // multiaddrs where its data port is tried; none: there is none
	Twin          bool     `json:"twin"`           // two registries run with its peer ID
}

// NotFollowed is why a member's changes are not taken: none that it wrote since are. Either one is
// refused, or the history that is missing here is missing there, too, and its state cannot be taken.
type NotFollowed struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// Bootstrapper is a member that the configuration names to join by, or an address at which members
// answer.
type Bootstrapper struct {
	PeerID    string   `json:"peer_id"`   // "": the configuration has the address only
	Addresses []string `json:"addresses"` // multiaddrs, as configured
	Met       bool     `json:"met"`       // it has been connected since the start
	Trouble   string   `json:"trouble"`   // why it was not met when it was last tried; "" met, or not tried yet
}

func (s *store) members() []Member {
	all := []Member{}
	for _, m := range s.engine.Members() {
		if m.Connected || m.Confirmed { // any other is not missed
			all = append(all, memberStatus(m))
		}
	}
	return all
}

func memberStatus(m engine.Member) Member {
	of := Member{
		PeerID: m.ID.String(), Name: m.Name, Addresses: texts(m.Addrs), Address: m.InUse, Relay: engine.RelayIn(m.InUse),
		Connected: m.Connected, Confirmed: m.Confirmed, DataPort: m.DataPort, Since: m.Since, LastDelta: m.LastDelta,
		Trusted: m.Trusted, TrustDiffers: m.TrustDiffers, Capabilities: append([]string{}, m.Capabilities...),
		DataAddresses: texts(m.Data), Twin: m.Twin, Greeted: m.Greeted,
	}
	if beat := m.Heartbeat; beat != nil {
		of.Zone, of.Capacity, of.FreeBytes = beat.Zone, &beat.Capacity, &beat.Free
		of.Draining, of.Drained = beat.Draining, beat.Drained
		of.Version, of.NoRoom = beat.Version, noRoom(beat.NoRoom.Blobs, beat.NoRoom.Bytes)
	}
	if m.Refused != nil {
		of.NotFollowed = &NotFollowed{Since: m.Refused.Since, Reason: m.Refused.Reason}
	}
	return of
}

// noRoom is what a registry has no room for; nil: nothing. Where inodes are short, and no bytes, it is
// 0 of these.
func noRoom(blobs int, bytes int64) *BlobAmount {
	if blobs == 0 {
		return nil
	}
	return &BlobAmount{Blobs: blobs, Bytes: bytes}
}

// Called is how an operator knows it: its peer ID, or else its address.
func (b Bootstrapper) Called() string {
	if b.PeerID == "" && len(b.Addresses) > 0 {
		return b.Addresses[0]
	}
	return b.PeerID
}

func (s *store) bootstrappers() []Bootstrapper {
	all := []Bootstrapper{}
	for _, b := range s.engine.Bootstrappers() {
		all = append(all, Bootstrapper{PeerID: b.ID.String(), Addresses: texts(b.Addrs), Met: b.Met, Trouble: b.Trouble})
	}
	return all
}
