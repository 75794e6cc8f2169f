package driver

import (
	"context"
	"path/filepath"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// Status describes a running registry and its swarm.
type Status = admin.Status

// Identity is a registry's peer ID and the multiaddrs others bootstrap with.
type Identity = admin.Identity

// Identity returns this registry's peer ID and addresses.
func (r *rooms) Identity() Identity {
	return Identity{PeerID: r.self.String(), Addresses: r.addresses()}
}

func (r *rooms) addresses() []string {
	if r.peer == nil {
		return []string{}
	}
	return texts(r.peer.Addrs())
}

func (r *rooms) dataAddresses() []string {
	if r.peer == nil {
		return []string{}
	}
	return texts(peer.Useful(r.peer.DataAddrs()))
}

func texts(addrs []multiaddr.Multiaddr) []string {
	list := []string{}
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}

// Status returns the state of this registry and of its swarm. Its cost grows with the
// number of paths.
func (r *rooms) Status(context.Context) Status {
	view := r.paths.View()
	here, bytes := r.blobs.Usage()
	s := Status{
		Version: Version(), NotReady: r.Ready(), Started: r.started,
		PeerID: r.self.String(), Name: r.params.name(), Capabilities: capabilities(), Addresses: r.addresses(), DataAddresses: r.dataAddresses(),
		Topic: r.params.PubsubTopic, Network: r.network(), DataPath: r.dataPath(), ReadOnly: r.ReadOnly(), Phase: r.phase().String(),
		Hash:  r.blobs.Function().String(),
		Map:   admin.Map{Entries: view.Len(), Digest: view.Digest(), Heads: len(r.paths.Heads())},
		Blobs: admin.Blobs{Here: here, Missing: r.countMissing(view), Bytes: bytes, Damaged: r.damaged()},
	}
	s.Bootstrappers, s.Members = r.bootstrappers(), r.members()
	s.Transfers = r.transferStatus()
	s.Uploads = r.unfinished()
	s.Disk.FreeBytes, s.Disk.TotalBytes = diskSpace(r.params.DatastorePath)
	return s
}

// damaged are the CIDs of blobs whose file turned out to be damaged.
func (r *rooms) damaged() []string {
	list := []string{}
	for _, ref := range r.blobs.Rotten() {
		list = append(list, ref.CID.String())
	}
	return list
}

func (r *rooms) network() string {
	switch {
	case r.params.Offline:
		return "offline"
	case r.params.isPrivate():
		return "private"
	}
	return "public"
}

func (r *rooms) dataPath() string {
	if abs, err := filepath.Abs(r.params.DatastorePath); err == nil {
		return abs
	}
	return r.params.DatastorePath
}

func (r *rooms) members() []admin.Member {
	members := []admin.Member{}
	if r.peer == nil {
		return members
	}
	refused := r.paths.Refused()
	for _, m := range r.peer.Members() {
		members = append(members, admin.Member{
			PeerID: m.ID.String(), Name: m.Name, Capabilities: append([]string{}, m.Capabilities...),
			Addresses: texts(m.Addrs), Address: r.peer.AddrInUse(m.ID), Connected: m.Connected, Since: m.Since,
			Trusted: r.peer.Trusts(m.ID), TrustDiffers: m.TrustDiffers, LastDelta: r.lastDelta(m.ID.String()),
			DataPort: m.Connected && r.transfers.UsesDataPort(m.ID), NotFollowed: notFollowed(refused, m.ID),
		})
	}
	return members
}

func (r *rooms) bootstrappers() []admin.Bootstrapper {
	all := []admin.Bootstrapper{}
	if r.peer == nil {
		return all
	}
	for _, b := range r.peer.Bootstrappers() {
		all = append(all, admin.Bootstrapper{
			PeerID: b.ID.String(), Addresses: texts(b.Addrs), Met: b.Met, Trouble: b.Trouble,
		})
	}
	return all
}

func notFollowed(refused map[libpeer.ID]pathmap.Refusal, id libpeer.ID) *admin.NotFollowed {
	r, ok := refused[id]
	if !ok {
		return nil
	}
	return &admin.NotFollowed{Since: r.Since, Reason: r.Reason}
}

func (r *rooms) lastDelta(writer string) *time.Time {
	t, ok := r.paths.LastDelta(writer)
	if !ok {
		return nil
	}
	return &t
}

// diskSpace returns the bytes that are free to this user, and all bytes; zeros when the
// system does not tell.
func diskSpace(path string) (free, total uint64) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize)
}
