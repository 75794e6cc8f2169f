// Package admin is both ends of admin.sock, on which the running registry answers
// its operator's commands: HTTP over a unix socket that only the same user opens.
//
//	srv, err := admin.Serve("/var/lib/registry/ipfs/admin.sock", admin.Source{Status: …, ID: …})
//	status, err := admin.NewClient("/var/lib/registry/ipfs/admin.sock").Status(ctx)
package admin

import "time"

// Status describes a running registry and its swarm.
type Status struct {
	Version       string         `json:"version"`
	NotReady      []string       `json:"not_ready"` // reasons; none: it is ready
	Started       time.Time      `json:"started"`
	PeerID        string         `json:"peer_id"`
	Name          string         `json:"name"`
	Addresses     []string       `json:"addresses"`      // multiaddrs others bootstrap with
	DataAddresses []string       `json:"data_addresses"` // of the data port; none: it is off
	Topic         string         `json:"topic"`
	Network       string         `json:"network"` // private, public or offline
	DataPath      string         `json:"data_path"`
	ReadOnly      bool           `json:"read_only"` // outside its own list of trusted peers
	Phase         string         `json:"phase"`     // joined, joining, or alone: no member answers
	Hash          string         `json:"hash"`      // what new blobs are named with
	Map           Map            `json:"map"`
	Bootstrappers []Bootstrapper `json:"bootstrappers"` // of the configuration, without this registry
	Members       []Member       `json:"members"`
	Blobs         Blobs          `json:"blobs"`
	Disk          Disk           `json:"disk"`
	Uploads       Uploads        `json:"uploads"` // that have not ended
	Transfers     Transfers      `json:"transfers"`
	Capabilities  []string       `json:"capabilities"` // what this release understands
}

// Map describes the path map. Registries with the same digest hold the same map.
type Map struct {
	Entries int    `json:"entries"`
	Digest  string `json:"digest"`
	Heads   int    `json:"heads"`
}

// Bootstrapper is a member that the configuration names to join by.
type Bootstrapper struct {
	PeerID    string   `json:"peer_id"`
	Addresses []string `json:"addresses"` // as configured
	Met       bool     `json:"met"`       // since the start
	Trouble   string   `json:"trouble"`   // why it was not met when it was last tried; "" not tried yet
}

// Member is another registry of the swarm.
type Member struct {
	PeerID       string       `json:"peer_id"`
	Name         string       `json:"name"`      // as the member says; "" unknown
	Addresses    []string     `json:"addresses"` // where it may be reached
	Address      string       `json:"address"`   // the other end of the connection in use; "" while it is away
	Connected    bool         `json:"connected"`
	DataPort     bool         `json:"data_port"` // blobs are fetched from its data port, not over streams
	Since        time.Time    `json:"since"`
	LastDelta    *time.Time   `json:"last_delta"` // null: none in this run
	Trusted      bool         `json:"trusted"`
	TrustDiffers bool         `json:"trust_differs"` // its list of trusted peers differs
	NotFollowed  *NotFollowed `json:"not_followed"`  // null: it is
	Capabilities []string     `json:"capabilities"`  // what it last said it understands
}

// NotFollowed is why a member's changes are not taken.
type NotFollowed struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// Blobs counts the blobs whose bytes are here, and those whose bytes are not.
type Blobs struct {
	Here    int      `json:"here"`
	Missing int      `json:"missing"`
	Bytes   int64    `json:"bytes"`   // of those here
	Damaged []string `json:"damaged"` // CIDs of damaged blobs, set aside, which could not be mended yet
}

// Uploads counts uploads of clients that have not ended.
type Uploads struct {
	Count  int        `json:"count"`
	Bytes  int64      `json:"bytes"`  // that they take of the disk
	Oldest *time.Time `json:"oldest"` // when it began; null: there is none
}

// Disk is the space of the data path, in bytes.
type Disk struct {
	FreeBytes  uint64 `json:"free_bytes"`
	TotalBytes uint64 `json:"total_bytes"`
}

// Transfers counts blobs under way and bytes since the start.
type Transfers struct {
	Active   int              `json:"active"`
	BytesIn  int64            `json:"bytes_in"`
	DataIn   int64            `json:"data_port_bytes_in"` // of these, by data ports
	BytesOut int64            `json:"bytes_out"`
	Ended    map[string]int64 `json:"ended"`   // how many, by result
	Running  []Transfer       `json:"running"` // the oldest first
}

// Transfer is one blob on its way here, or streamed to one client.
type Transfer struct {
	CID      string           `json:"cid"`
	Size     int64            `json:"size"` // bytes
	Here     int64            `json:"here"` // of these; of a stream, passed on to the reader
	Since    time.Time        `json:"since"`
	Waiting  int              `json:"waiting"`  // readers of this registry
	Streamed bool             `json:"streamed"` // there is no room to keep the blob
	Sources  []TransferSource `json:"sources"`
}

// TransferSource is where the bytes of a blob come from at the moment.
type TransferSource struct {
	PeerID string  `json:"peer_id"` // empty: any peer that answers by bitswap
	Road   string  `json:"road"`    // data port, libp2p or bitswap
	Rate   float64 `json:"rate"`    // bytes a second
}

// Identity is a registry's peer ID and the multiaddrs others bootstrap with.
type Identity struct {
	PeerID    string   `json:"peer_id"`
	Addresses []string `json:"addresses"`
}
