package driver

import (
	"context"
	"fmt"
	"net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// Identity is a registry's peer ID and the multiaddrs others bootstrap with.
type Identity struct {
	PeerID    string   `json:"peer_id"`   // such as 12D3KooW…
	Addresses []string `json:"addresses"` // each ends in /p2p/ and the peer ID; none: it is offline
}

// Identity returns this registry's peer ID and addresses.
func (d *Driver) Identity() Identity { return d.store.identity() }

func (s *store) identity() Identity {
	return Identity{PeerID: s.engine.Self(), Addresses: texts(s.engine.Addresses())}
}

// Identify returns the identity of a registry that is not running, making its key if it has
// none yet. The addresses are those that the registry will have; a port 0 is chosen when it
// starts. Identify fails with ErrInUse while the registry runs: then ask it with Client.Identity.
func Identify(ctx context.Context, p Parameters) (id Identity, err error) {
	if err := p.check(); err != nil {
		return id, fmt.Errorf("ipfs: %w", err)
	}
	self, addresses, err := engine.Identify(ctx, p.config())
	if err != nil {
		return id, fmt.Errorf("ipfs: %w", err)
	}
	return Identity{PeerID: self, Addresses: texts(addresses)}, nil
}

var (
	// ErrInUse reports that another process has opened a datastore. A registry has done so for
	// a moment before it can be asked anything.
	ErrInUse = engine.ErrInUse
	// ErrOtherUser reports that a datastore belongs to another user, who could no longer open
	// what this one writes there.
	ErrOtherUser = engine.ErrOtherUser
	// ErrNotMember reports that a registry is not a trusted member, or is not connected now.
	ErrNotMember = engine.ErrNotMember
)

// InUse reports whether another process has opened the datastore of these parameters.
func InUse(p Parameters) bool { return engine.InUse(p.DatastorePath) }

// NewProtectorKey makes a new protector key: 32 random bytes, in hex.
func NewProtectorKey() (string, error) { return engine.NewProtectorKey() }

// FormatSwarmKey writes a protector key as Kubo's swarm.key does.
func FormatSwarmKey(key string) string { return engine.FormatSwarmKey(key) }

// ReadOnly reports whether this registry refuses writes and deletes, because it is
// outside its own list of trusted peers: other registries would drop its changes.
func (d *Driver) ReadOnly() bool { return d.store.engine.ReadOnly() }

// WhyReadOnly is why it refuses them: it is outside its own list, or was revoked; "": it does not.
func (d *Driver) WhyReadOnly() string { return d.store.engine.WhyReadOnly() }

// Ready lists the reasons why this registry should not be sent requests yet, or should no
// longer be; an empty list means that it is ready. Ready writes a small file to find out. A
// registry that is not ready still serves what it has.
func (d *Driver) Ready() []string { return d.store.engine.Ready() }

// ShutDown makes Ready say from now on that this registry is shutting down. The registry keeps
// serving until Close.
func (d *Driver) ShutDown() { d.store.engine.ShutDown() }

// Secret derives a secret for one purpose from this registry's key. It is the same after
// every restart, and useless for any other purpose.
func (d *Driver) Secret(purpose string) (string, error) { return d.store.engine.Secret(purpose) }

// SwarmSecrets derives a secret for a purpose from the protector key. It is the same on
// every registry of a private network, and useless for any other purpose. While the key is changed
// there is a second one, of the next key, and each registry has one of these two at least. On the
// public network and offline there is none.
func (d *Driver) SwarmSecrets(purpose string) [][]byte { return d.store.engine.SwarmSecrets(purpose) }

// ListenMembers accepts connections of a protocol from other members, over the connections
// that members have, encrypted and authenticated at both ends. A connection's remote
// address is a peer ID: ask Trusts about it at each request, since connections outlive
// memberships. Close closes the listener, too.
func (d *Driver) ListenMembers(proto string) (net.Listener, error) {
	return d.store.engine.ListenMembers(proto)
}

// DialMember connects to another member that answers a protocol. The error is ErrNotMember
// when that member is not connected, or not trusted.
func (d *Driver) DialMember(ctx context.Context, id, proto string) (net.Conn, error) {
	return d.store.engine.DialMember(ctx, id, proto)
}

// Trusts reports whether a peer ID is that of a trusted member that is connected now.
func (d *Driver) Trusts(id string) bool { return d.store.engine.Trusts(id) }

// AllUnderstand reports whether all members that this registry knows of, connected or
// remembered, understand a capability. Without a network it is true.
func (d *Driver) AllUnderstand(capability string) bool {
	return d.store.engine.AllUnderstand(capability)
}

// Forget drops a member that is away from those that this registry remembers and dials. The
// member is named by its peer ID, by the end of its peer ID, or by its name. A member that
// comes back is simply a member again.
func (d *Driver) Forget(ctx context.Context, name string) (Member, error) {
	return d.store.forget(ctx, name)
}

// Revoke shuts a registry out of the swarm for good: all registries that hear of it refuse its connections and
// what it says. It is named as for Forget, or by a peer ID that nobody has met yet.
func (d *Driver) Revoke(ctx context.Context, name string) (Member, error) {
	return d.store.revoke(ctx, name)
}

func (s *store) revoke(ctx context.Context, name string) (Member, error) {
	m, err := s.engine.Revoke(ctx, name)
	if err != nil {
		return Member{}, err
	}
	return memberStatus(m), nil
}

func (s *store) forget(ctx context.Context, name string) (Member, error) {
	m, err := s.engine.Forget(ctx, name)
	if err != nil {
		return Member{}, err
	}
	return memberStatus(m), nil
}
