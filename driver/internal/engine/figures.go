package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// Member is another registry of the swarm, with what each room knows of it.
type Member struct {
	peer.Member
	InUse     string                // multiaddr of the other end of its connection; "" while it is away
	Trusted   bool                  // its changes count here
	Allowed   bool                  // it gets connections here
	DataPort  bool                  // blobs are fetched from its data port
	Data      []multiaddr.Multiaddr // where its data port is, as it says; none: it has none, or this registry has none
	Twin      bool                  // two registries run with its peer ID
	LastDelta *time.Time            // nil: none in this run
	Refused   *pathmap.Refusal      // why its changes are not taken; nil: they are
}

// Members are the registries that are connected or remembered, sorted by ID, without this one.
func (e *Engine) Members() []Member {
	if e.Peer == nil {
		return nil
	}
	var all []Member
	refused, twins := e.Paths.Refused(), e.Paths.Twins()
	for _, m := range e.Peer.Members() {
		of := Member{Member: m, InUse: e.Peer.AddrInUse(m.ID), Trusted: e.Peer.Trusts(m.ID), Allowed: e.Peer.Allows(m.ID)}
		of.DataPort = m.Connected && e.Transfers.UsesDataPort(m.ID)
		of.Data, of.Twin = e.Peer.DataTargets(m.ID), slices.Contains(twins, m.ID)
		if t, ok := e.Paths.LastDelta(m.ID.String()); ok {
			of.LastDelta = &t
		}
		if r, ok := refused[m.ID]; ok {
			of.Refused = &r
		}
		all = append(all, of)
	}
	return all
}

// ConnectedMembers are the peer IDs of the members that are connected now, sorted, without this
// registry; never nil.
func (e *Engine) ConnectedMembers() []string {
	ids := []string{}
	if e.Peer == nil {
		return ids
	}
	for _, m := range e.Peer.Members() {
		if m.Connected {
			ids = append(ids, m.ID.String())
		}
	}
	return ids
}

// Bootstrappers are those of the configuration, sorted by ID, without this registry.
func (e *Engine) Bootstrappers() []peer.Bootstrapper {
	if e.Peer == nil {
		return nil
	}
	return e.Peer.Bootstrappers()
}

// Limits are what peers may have of this registry; none while it is offline.
func (e *Engine) Limits() []limit.State {
	if e.Peer == nil {
		return nil
	}
	return e.Peer.Budget().State()
}

// Self is this registry's peer ID.
func (e *Engine) Self() string { return e.self.String() }

// Name is the name by which others show this registry; "" when it has none.
func (e *Engine) Name() string { return e.cfg.name() }

// Started is when the engine was opened.
func (e *Engine) Started() time.Time { return e.started }

// Addresses are those that others bootstrap with.
func (e *Engine) Addresses() []multiaddr.Multiaddr {
	if e.Peer == nil {
		return nil
	}
	return e.Peer.Addrs()
}

// DataAddresses are those of the data port.
func (e *Engine) DataAddresses() []multiaddr.Multiaddr {
	if e.Peer == nil {
		return nil
	}
	return peer.Useful(e.Peer.DataAddrs())
}

// Topic is that of pubsub.
func (e *Engine) Topic() string { return e.cfg.Topic }

// Offline reports whether there is no swarm.
func (e *Engine) Offline() bool { return e.Peer == nil }

// Network is private, public or offline.
func (e *Engine) Network() string {
	switch {
	case e.cfg.Offline:
		return "offline"
	case e.cfg.Private():
		return "private"
	}
	return "public"
}

// DataPath is the directory of all that this registry keeps, absolute if that is known.
func (e *Engine) DataPath() string {
	if abs, err := filepath.Abs(e.cfg.Path); err == nil {
		return abs
	}
	return e.cfg.Path
}

// DiskSpace returns how many bytes of the disk are free to this user, and how many it has;
// zeros when the system does not tell.
func (e *Engine) DiskSpace() (free, total uint64) {
	var st unix.Statfs_t
	if err := unix.Statfs(e.cfg.Path, &st); err != nil {
		return 0, 0
	}
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), st.Blocks * uint64(st.Bsize) // FreeBSD counts what root took of the rest below 0
}

// Descriptors are how many file descriptors this process has open, 0 when the system does not
// tell, and how many it may have open.
func (e *Engine) Descriptors() (open, limit int) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, 0
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, int(min(files.Cur, 1<<30))
	}
	return len(names) - 1, int(min(files.Cur, 1<<30)) // without the directory that is read
}

// ReadOnly reports whether this registry refuses writes and deletes, because it is
// outside its own list of trusted peers: other registries would drop its changes.
func (e *Engine) ReadOnly() bool { return e.Peer != nil && !e.Peer.Trusts(e.self) }

// Connected reports whether a peer ID is that of a member connected now.
func (e *Engine) Connected(id string) bool {
	p, err := libpeer.Decode(id)
	return err == nil && e.Peer != nil && e.Peer.IsMember(p)
}

// Called gives a registry's peer ID, preceded by its name if that is known.
func (e *Engine) Called(id string) string {
	if name := e.NameOf(id); name != "" {
		return fmt.Sprintf("%q (%s)", name, id)
	}
	return id
}

// NameOf is the name of a member; "" when it has none, or is not known.
func (e *Engine) NameOf(id string) string {
	if e.Peer == nil {
		return ""
	}
	for _, m := range e.Peer.Members() {
		if m.ID.String() == id {
			return m.Name
		}
	}
	return ""
}
