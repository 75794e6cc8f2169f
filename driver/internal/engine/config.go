package engine

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// Config is what an engine is made of. Errors name a value by its key in the `ipfs:` block.
type Config struct {
	Path    string // datastorepath: the directory of all that a registry keeps
	Offline bool   // there is no swarm
	Topic   string // pubsubtopic
	Name    string // by which others show this registry; "": the host's

	// The protector key is 32 bytes in hex, or lies in a file, which is made when this
	// registry begins a swarm. With neither, the network is the public one. The private key
	// is libp2p's, in base64, or lies in a file; with neither, in the datastore.
	ProtectorKey, ProtectorKeyFile string
	PrivateKey, PrivateKeyFile     string

	// The key that the swarm changes to, likewise; with neither, there is no such change.
	ProtectorKeyNext, ProtectorKeyNextFile string

	// Multiaddrs. A data port that is in use is replaced by a free one with DataAnyPort.
	ListenAddrs, AnnounceAddrs   []string
	DataAddrs, DataAnnounceAddrs []string
	DataAnyPort                  bool
	Bootstrappers                []string // each ends in /p2p/<peer ID>; this registry's own may be among them

	// Peer IDs whose changes count, and that get connections beside those: none, or "*", are those of
	// every peer. Each list may be in a file in place of the configuration, which is read again when it
	// changes.
	TrustedPeers, AllowedPeers         []string
	TrustedPeersFile, AllowedPeersFile string

	Hash     string // sha2-256 or blake3; "": what the swarm uses
	LogLevel string // "": the process's

	Relay        bool          // trusted members that cannot reach each other may meet by way of this registry
	MemberExpiry time.Duration // how long a member may be away before it is forgotten
	AloneTimeout time.Duration // how long no member may answer before this registry serves what it has
	FetchTimeout time.Duration // how long a transfer may go without a byte before it fails

	Copies      int           // replicas: of each blob, by itself; 0: none, AllCopies: on every registry
	Zone        string        // members with the same one may fail together
	Capacity    int64         // bytes kept for others, to compare members by; 0: none, DiskSize: the disk's
	RepairDelay time.Duration // how long a member may be away before its blobs get other keepers
	RepairRate  int64         // bytes a second of blobs that are fetched then; 0: as many as can be

	AckCopies  int           // ackreplicas: disks that are to hold a push before it is acknowledged, this one included
	AckTimeout time.Duration // how long a push may wait for them
	AckHedge   time.Duration // how long a member may say nothing until one more is asked; 0: the default

	CacheSize int64   // bytes of blobs that are not to be kept here; NoLimit: what MinFree leaves
	MinFree   MinFree // what of the disk stays free of copies and of such blobs

	GC         bool          // garbage is collected without being asked
	GCInterval time.Duration // between two collections
	GCGrace    time.Duration // from the mark of what is garbage to its deletion
	GCUntagged bool          // manifests without a tag are garbage

	ScrubInterval time.Duration // in which each blob on the disk is read once; 0: never

	KeepChanges int // of the history, behind what all known registries have merged; 0: DefaultKeepChanges

	CompactEvery time.Duration // how often a registry looks whether there is history to drop; 0: the default

	SurveyLeast time.Duration // from one survey of copies to the next, at least; 0: the default
	SurveyRest  int           // how many times as long as a survey the rest after it is; 0: the default

	Unsigned    bool          // this registry signs nothing, as an earlier release; only tests set it
	EnrollAfter time.Duration // how long this registry is one of the swarm before it enters the list of members; 0: the default
	EnrollEvery time.Duration // how often it renews that; 0: the default

	// OnAdded is called with paths that gained an entry by a change of another registry,
	// OnMember when a member becomes connected. Both may be called before Open returns, must
	// not block, and may be nil.
	OnAdded  func(paths []string)
	OnMember func()
}

// Private reports whether a protector key shuts strangers out.
func (c Config) Private() bool { return c.ProtectorKey != "" || c.ProtectorKeyFile != "" }

// Values of Copies and Capacity.
const (
	AllCopies = place.All
	DiskSize  = -1
)

// DefaultKeepChanges is how many changes stay that all known registries have merged.
const DefaultKeepChanges = pathmap.KeptDeltas

// DefaultMemberExpiry is how long a member that is away is remembered and dialed.
const DefaultMemberExpiry = peer.DefaultMemberExpiry
