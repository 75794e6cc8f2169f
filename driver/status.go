package driver

import (
	"context"
	"path/filepath"
	"time"

	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// Status describes a running registry and its swarm. Its JSON is what the registry answers
// on its admin socket and what `registry ipfs status --json` prints; lists are empty, never null.
type Status struct {
	Version       string         `json:"version"`        // of this release
	Commit        string         `json:"commit"`         // that this was built from; "": unknown
	BuildDate     string         `json:"build_date"`     // of that commit, as in RFC 3339; "": unknown
	NotReady      []string       `json:"not_ready"`      // reasons for not sending it requests; none: it is ready
	Started       time.Time      `json:"started"`        // when the storage was opened
	PeerID        string         `json:"peer_id"`        // such as 12D3KooW…
	Name          string         `json:"name"`           // by which others show it; "" when it has none
	Addresses     []string       `json:"addresses"`      // multiaddrs others bootstrap with
	DataAddresses []string       `json:"data_addresses"` // multiaddrs of the data port; none: it is off
	Topic         string         `json:"topic"`          // of pubsub
	Network       string         `json:"network"`        // private, public or offline
	DataPath      string         `json:"data_path"`      // of the datastore, absolute
	ReadOnly      bool           `json:"read_only"`      // outside its own list of trusted peers
	Phase         string         `json:"phase"`          // joined, joining, or alone: no member answers
	Hash          string         `json:"hash"`           // function that new blobs are named with: sha2-256 or blake3
	Map           MapStatus      `json:"map"`
	Bootstrappers []Bootstrapper `json:"bootstrappers"` // of the configuration, without this registry, by peer ID
	Members       []Member       `json:"members"`       // connected or remembered, without this registry, by peer ID
	Blobs         BlobStatus     `json:"blobs"`
	Disk          DiskStatus     `json:"disk"`
	Uploads       UploadStatus   `json:"uploads"`
	Transfers     Transfers      `json:"transfers"`
	Capabilities  []string       `json:"capabilities"` // what this release understands
}

// MapStatus describes the path map.
type MapStatus struct {
	Entries int    `json:"entries"` // paths
	Digest  string `json:"digest"`  // in hex; registries with the same one hold the same map
	Heads   int    `json:"heads"`   // deltas that no other follows yet
}

// BlobStatus counts the blobs whose bytes are on this registry, and those whose are not.
type BlobStatus struct {
	Here    int      `json:"here"`    // blobs, whole
	Missing int      `json:"missing"` // blobs that have a path, and whose bytes are not here
	Bytes   int64    `json:"bytes"`   // of the blobs that are here
	Damaged []string `json:"damaged"` // CIDs of damaged blobs, set aside, which could not be mended yet
}

// DiskStatus is the room of the file system with the datastore; zeros when the system does
// not tell.
type DiskStatus struct {
	FreeBytes  uint64 `json:"free_bytes"` // for this user
	TotalBytes uint64 `json:"total_bytes"`
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
	built := build.Read()
	s := Status{
		Version: built.Version, Commit: built.Commit, BuildDate: built.Date, NotReady: r.Ready(), Started: r.started,
		PeerID: r.self.String(), Name: r.params.name(), Capabilities: capabilities(), Addresses: r.addresses(), DataAddresses: r.dataAddresses(),
		Topic: r.params.PubsubTopic, Network: r.network(), DataPath: r.dataPath(), ReadOnly: r.ReadOnly(), Phase: r.phase().String(),
		Hash:  r.blobs.Function().String(),
		Map:   MapStatus{Entries: view.Len(), Digest: view.Digest(), Heads: len(r.paths.Heads())},
		Blobs: BlobStatus{Here: here, Missing: r.countMissing(view), Bytes: bytes, Damaged: r.damaged()},
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

// diskSpace returns the bytes that are free to this user, and all bytes; zeros when the
// system does not tell.
func diskSpace(path string) (free, total uint64) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize)
}
