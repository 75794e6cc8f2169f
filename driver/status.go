package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
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
	PeerLists     []PeerList     `json:"peer_lists"`     // whom it trusts, and whom it lets in; none: it is offline
	Twin          string         `json:"twin"`           // one of NotReady: another registry runs with this one's peer ID; "": none does
	Revoked       string         `json:"revoked"`        // one of NotReady: this registry was shut out for good, and by whom; "": not as far as it knows
	ProtectorKeys []string       `json:"protector_keys"` // short names of the key that it runs with, and of the next one; none: it has none
	Phase         string         `json:"phase"`          // joined, joining, or alone: no member answers
	Hash          string         `json:"hash"`           // function that new blobs are named with: sha2-256 or blake3
	Map           MapStatus      `json:"map"`
	Bootstrappers []Bootstrapper `json:"bootstrappers"` // of the configuration, without this registry, by peer ID
	Members       []Member       `json:"members"`       // connected or remembered, without this registry, by peer ID
	Blobs         BlobStatus     `json:"blobs"`
	Copies        CopiesStatus   `json:"copies"`
	Cache         CacheStatus    `json:"cache"`
	Acks          AckStatus      `json:"acknowledgements"`
	Disk          DiskStatus     `json:"disk"`
	Descriptors   Descriptors    `json:"descriptors"`
	Uploads       UploadStatus   `json:"uploads"`
	Garbage       GarbageStatus  `json:"garbage"`
	Scrub         ScrubStatus    `json:"scrub"`
	Transfers     Transfers      `json:"transfers"`
	Limits        []LimitStatus  `json:"limits"`       // what peers may have, by what; none: this registry is offline
	Capabilities  []string       `json:"capabilities"` // what this release understands
}

// MapStatus describes the path map.
type MapStatus struct {
	Entries int    `json:"entries"` // paths
	Digest  string `json:"digest"`  // in hex; registries with the same one hold the same map
	Heads   int    `json:"heads"`   // deltas that no other follows yet

	BehindSince *time.Time   `json:"behind_since"` // since when it has lacked changes that a connected member has; nil: it lacks none
	Taking      *StateStatus `json:"taking"`       // the state of a member's map that is on its way here; nil: none is

	History HistoryStatus `json:"history"`

	Signatures *Signatures `json:"signatures"` // since when only changes that are signed are merged; nil: all are
}

// StateStatus is how far a registry is that takes the state of a member's path map.
type StateStatus struct {
	From  string    `json:"from"`  // peer ID
	Since time.Time `json:"since"` // when this attempt began
	Paths int       `json:"paths"` // that came, or were here from an attempt before
	Of    int       `json:"of"`    // paths in the member's map
}

// BlobStatus counts the blobs whose bytes are on this registry, and those whose bytes are not.
type BlobStatus struct {
	Here    int      `json:"here"`    // blobs, whole
	Missing int      `json:"missing"` // blobs that have a path, and whose bytes are not here
	Bytes   int64    `json:"bytes"`   // of the blobs that are here
	Damaged []string `json:"damaged"` // CIDs of blobs whose file is damaged, or lost, and which could not be mended yet
	Damage  []Damage `json:"damage"`  // the first hundred of these, with the images that need them
	Mended  int64    `json:"mended"`  // damaged blobs that became whole again since the start
	// CountedAt is when Missing, and those of Copies that are kept or pending, were counted: on a
	// large map some time ago, or not yet (nil).
	CountedAt *time.Time `json:"counted_at"`
}

// UploadStatus counts the uploads of clients that have not ended.
type UploadStatus struct {
	Count  int        `json:"count"`
	Bytes  int64      `json:"bytes"`  // of the disk that they take
	Oldest *time.Time `json:"oldest"` // when the first of them began; nil: there is none
}

// DiskStatus is the space on the datastore's file system; zeros when the system does not tell.
type DiskStatus struct {
	FreeBytes  uint64 `json:"free_bytes"` // for this user
	TotalBytes uint64 `json:"total_bytes"`
}

// Descriptors are the file descriptors of this registry's process: files and sockets.
type Descriptors struct {
	Open  int `json:"open"`  // 0: the system does not tell
	Limit int `json:"limit"` // how many it may have open
}

// Status returns the state of this registry and of its swarm. What takes long to count is
// counted in the background.
func (d *Driver) Status(context.Context) Status { return d.store.status() }

func (s *store) status() Status {
	e, view, built := s.engine, s.paths.View(), build.Read()
	here, bytes := s.blobs.Usage()
	counts, counted := s.blobCounts(view)
	st := Status{
		Version: built.Version, Commit: built.Commit, BuildDate: built.Date, NotReady: e.Ready(), Started: e.Started(),
		PeerID: e.Self(), Name: e.Name(), Capabilities: e.Capabilities(), Addresses: texts(e.Addresses()), DataAddresses: texts(e.DataAddresses()),
		Topic: e.Topic(), Network: e.Network(), DataPath: e.DataPath(), ReadOnly: e.ReadOnly(), PeerLists: s.peerLists(), Phase: e.Phase(),
		Hash:   s.blobs.Function().String(),
		Map:    MapStatus{Entries: view.Len(), Digest: view.Digest(), Heads: len(s.paths.Heads()), History: s.historyStatus()},
		Blobs:  BlobStatus{Here: here, Missing: counts.missing, Bytes: bytes, Damaged: s.damaged(), Damage: s.damage(), Mended: s.blobs.Mended(), CountedAt: counted},
		Copies: s.copiesStatus(counts), Acks: s.ackStatus(),
		Cache:         s.cacheStatus(counts),
		Bootstrappers: s.bootstrappers(), Members: s.members(), Transfers: s.transferStatus(), Uploads: UploadStatus(e.Uploads.Unfinished()),
		Garbage: s.garbageStatus(), Scrub: s.scrubStatus(), Limits: s.limitStatus(),
	}
	st.Disk.FreeBytes, st.Disk.TotalBytes = e.DiskSpace()
	st.Descriptors.Open, st.Descriptors.Limit = e.Descriptors()
	st.ProtectorKeys = append([]string{}, e.KeyFingerprints()...)
	st.Twin, st.Revoked = e.Twinned(), e.WasRevoked()
	if since, ok := s.paths.BehindSince(); ok {
		st.Map.BehindSince = &since
	}
	st.Map.Signatures = s.signatures()
	if t, ok := s.paths.Taking(); ok {
		st.Map.Taking = &StateStatus{From: t.From.String(), Since: t.Since, Paths: t.Paths, Of: t.Of}
	}
	return st
}

// damaged are the CIDs of blobs whose file turned out to be damaged.
func (s *store) damaged() []string {
	list := []string{}
	for _, ref := range s.blobs.Rotten() {
		list = append(list, ref.CID.String())
	}
	return list
}

// texts never returns nil, which would be null as JSON.
func texts[T fmt.Stringer](all []T) []string {
	list := []string{}
	for _, v := range all {
		list = append(list, v.String())
	}
	return list
}
