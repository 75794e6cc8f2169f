package peer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/multiformats/go-multiaddr"
	madns "github.com/multiformats/go-multiaddr-dns"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/dataport"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/protector"
)

// Config is what a peer is made of. Key, Topic, Store, Blocks and Log are required.
type Config struct {
	Key crypto.PrivKey
	PSK pnet.PSK // the protector key, 32 bytes; nil: the public IPFS network
	// NextPSK is the protector key that the swarm changes to, 32 bytes as well: who has either gets in, and
	// others are dialed with this one first. Nil: there is no such change.
	NextPSK pnet.PSK

	Listen   []multiaddr.Multiaddr // none: dials only
	Announce []multiaddr.Multiaddr // told to others in place of the addresses listened on; none: those

	// DataListen are the addresses of the data port, each an IP address or DNS name and a
	// TCP port; none, or no PSK: there is no data port. DataAnnounce is told to others
	// instead. With DataAnyPort a port in use is replaced by a free one.
	DataListen, DataAnnounce []multiaddr.Multiaddr
	DataAnyPort              bool

	Relay bool // trusted members that cannot reach each other may meet by way of this peer; without PSK it does not count

	// Bootstrappers are members to join by, which are dialed forever. This peer itself
	// may be among them, so that all registries can share one configuration. DHTPeers are
	// dialed likewise, and need not be members, such as IPFS's own bootstrappers on the
	// public network.
	Bootstrappers, DHTPeers []peer.AddrInfo

	// Seeds are addresses to join by at which members answer whose peer IDs are not known before,
	// such as a name that stands for all of them. They are looked up anew at each attempt, and may
	// lead to this peer itself. The protector key alone keeps strangers out: without PSK they are
	// refused. Resolver looks their names up; nil: as this machine does.
	Seeds    []multiaddr.Multiaddr
	Resolver *madns.Resolver

	Topic string
	Lists // until SetLists replaces them

	MemberExpiry time.Duration // how long a member may be away before it is forgotten; 0: DefaultMemberExpiry

	Name         string   // what operators call this registry, a ValidName; may be empty
	Capabilities []string // what this release understands, at most 64 of 64 bytes

	// What heartbeats say beside that. Changing gives what changes while the registry runs; it
	// must not block, and when something has changed that is not to wait for seconds, call
	// Changed. Without Changing no heartbeats are sent: to others this is a registry of an
	// earlier release, of unknown capacity.
	Version  string // of the build, and
	Zone     string // its zone: each a ValidName
	Capacity int64  // bytes it keeps for others; 0: it is a cache only
	Changing func() Changing

	Budget *limit.Budget // what peers may take; nil: one for this machine

	// Wrote reports whether a member has changed what the members share: then it is of use,
	// whoever passed its changes on. It may be nil, and is called after Start.
	Wrote func(id peer.ID) bool

	Store  datastore.Batching // keys below /peer are this package's
	Blocks blockstore.Blockstore
	Log    *logrus.Entry
}

func (c Config) check() error {
	switch {
	case c.Key == nil:
		return errors.New("no private key")
	case c.Topic == "":
		return errors.New("no topic")
	case c.Store == nil || c.Blocks == nil:
		return errors.New("no datastore or blockstore")
	case c.Log == nil:
		return errors.New("no log")
	case slices.ContainsFunc(slices.Concat(c.DataListen, c.DataAnnounce), func(a multiaddr.Multiaddr) bool { return !dataport.IsAddr(a) }):
		return errors.New("a data address is not a host and a TCP port")
	case !ValidName(c.Name):
		return fmt.Errorf("name %q is not up to %d bytes of printable text", c.Name, MaxName)
	case !ValidName(c.Version) || !ValidName(c.Zone) || c.Capacity < 0:
		return fmt.Errorf("version %q or zone %q is not up to %d bytes of printable text, or capacity %d is negative", c.Version, c.Zone, MaxName, c.Capacity)
	case len(readCapabilities(c.Capabilities)) != len(c.Capabilities):
		return errors.New("too many capabilities, or one is too long or listed twice")
	case c.Allowed != nil && !c.private():
		return errors.New("only some peers are allowed, which needs a protector key")
	case len(c.Seeds) > 0 && !c.private():
		return errors.New("bootstrappers without a peer ID need a protector key")
	case c.PSK != nil && len(c.PSK) != protector.Size:
		return fmt.Errorf("the protector key has %d bytes, and must have %d", len(c.PSK), protector.Size)
	case c.NextPSK != nil && (c.PSK == nil || len(c.NextPSK) != protector.Size || bytes.Equal(c.PSK, c.NextPSK)):
		return fmt.Errorf("the next protector key must have %d bytes, and follow another one", protector.Size)
	}
	return nil
}

// DefaultMemberExpiry is how long a member that is away is remembered and dialed.
const DefaultMemberExpiry = 30 * 24 * time.Hour

func (c Config) private() bool { return c.PSK != nil }

// protectorKeys are all that let others in: the present one and, during a change, the next one.
func (c Config) protectorKeys() (keys []pnet.PSK) {
	for _, key := range []pnet.PSK{c.PSK, c.NextPSK} {
		if key != nil {
			keys = append(keys, key)
		}
	}
	return keys
}
