package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	heartbeatVersion = 1
	maxHeartbeat     = 8 << 10 // bytes; one takes some 250
)

// Heartbeat is what a registry says about itself in its heartbeats, beside its name and its
// capabilities.
type Heartbeat struct {
	Version  string    // of its build; "" unknown
	Zone     string    // its zone, a ValidName; "" is one, too
	Capacity int64     // bytes it keeps for others; 0: it is a cache only
	Free     int64     // bytes free on its disk
	NoRoom   Amount    // copies that it is to keep and has no room for; zero: none, or its release does not say
	Draining bool      // it is to be switched off for good
	Drained  bool      // it is draining, and others have all that it had: once it is away, it is forgotten
	Keys     [2]string // fingerprints of its protector key and of its next one; "" where it has none, or has not said it
	Heard    time.Time // when this peer heard it; zero: before Start
}

// Amount are blobs, and how many bytes have to become free for them.
type Amount struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// heartbeatMsg is a heartbeat as it travels, in JSON: on a topic of its own, where pubsub signs
// it with its author's peer ID, and in hellos. Unknown fields are ignored, and remembered, since
// releases differ within a swarm.
type heartbeatMsg struct {
	Format   int      `json:"format"`
	Run      int64    `json:"run"` // greater in each run of its author
	Seq      int64    `json:"seq"` // within the run
	Name     string   `json:"name,omitempty"`
	Version  string   `json:"version,omitempty"`
	Caps     []string `json:"caps,omitempty"`
	Zone     string   `json:"zone,omitempty"`
	Capacity *int64   `json:"capacity"`
	Free     int64    `json:"free"`
	NoRoom   *Amount  `json:"noroom,omitempty"`
	Draining bool     `json:"draining,omitempty"`
	Drained  bool     `json:"drained,omitempty"`
	Trust    string   `json:"trust,omitempty"` // as in a hello; "": of an earlier release, which says it there only

	Keys []string `json:"keys,omitempty"` // fingerprints of its protector key, and of its next one

	raw json.RawMessage // all of it, as it was received
}

var errHeartbeat = errors.New("malformed heartbeat")

// readHeartbeat parses what a peer sent. Text that is not printable counts as not said.
func readHeartbeat(b []byte) (*heartbeatMsg, error) {
	if len(b) > maxHeartbeat {
		return nil, fmt.Errorf("%w: %d bytes", errHeartbeat, len(b))
	}
	var m heartbeatMsg
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errHeartbeat, err)
	}
	if m.Format < 1 || m.Capacity == nil || *m.Capacity < 0 || m.Run < 0 || m.Seq < 0 {
		return nil, fmt.Errorf("%w: format %d, run %d, number %d", errHeartbeat, m.Format, m.Run, m.Seq)
	}
	m.Name, m.Version, m.Zone = readName(m.Name), readName(m.Version), readName(m.Zone)
	if len(m.Trust) > maxText {
		m.Trust = ""
	}
	m.Caps, m.Free, m.raw = readCapabilities(m.Caps), max(0, m.Free), b
	m.Keys = readFingerprints(m.Keys)
	if m.NoRoom != nil {
		m.NoRoom = &Amount{Blobs: max(0, m.NoRoom.Blobs), Bytes: max(0, m.NoRoom.Bytes)}
	}
	return &m, nil
}

// after reports whether a heartbeat is later than another of the same author, or the first.
func (m *heartbeatMsg) after(o *heartbeatMsg) bool {
	return o == nil || m.Run > o.Run || m.Run == o.Run && m.Seq > o.Seq
}

// public is what it says.
func (m *heartbeatMsg) public(heard time.Time) *Heartbeat {
	var keys [2]string
	copy(keys[:], m.Keys)
	var noRoom Amount
	if m.NoRoom != nil {
		noRoom = *m.NoRoom
	}
	return &Heartbeat{
		Keys: keys, NoRoom: noRoom,
		Version: m.Version, Zone: m.Zone, Capacity: *m.Capacity,
		Free: m.Free, Draining: m.Draining, Drained: m.Draining && m.Drained, Heard: heard,
	}
}

// sameFacts reports whether two heartbeats say the same, but for the space. Either may be
// nil.
func (m *heartbeatMsg) sameFacts(o *heartbeatMsg) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.Version == o.Version && m.Zone == o.Zone &&
		slices.Equal(m.Keys, o.Keys) && *m.Capacity == *o.Capacity && m.Draining == o.Draining && m.Drained == o.Drained
}
