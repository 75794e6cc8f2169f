package web

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// here is what changes every moment of this registry, as it knows it without asking anybody.
type here struct {
	PeerID   string             `json:"peer_id"`
	Name     string             `json:"name"` // "": it has none
	Version  string             `json:"version"`
	Started  time.Time          `json:"started"`
	Network  string             `json:"network"`   // private, public or offline
	Phase    string             `json:"phase"`     // joined, joining or alone
	NotReady []string           `json:"not_ready"` // reasons
	ReadOnly bool               `json:"read_only"`
	Draining bool               `json:"draining"`
	Members  []hereMember       `json:"members"` // by peer ID
	From     map[string]float64 `json:"from"`    // bytes a second that members send now, by peer ID; "": by bitswap
	Active   int                `json:"active"`  // blobs on their way here
}

// hereMember is another registry.
type hereMember struct {
	PeerID    string    `json:"peer_id"`
	Name      string    `json:"name"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"` // when it was connected, or lost
	Draining  bool      `json:"draining"`
	Twin      bool      `json:"twin"`
}

func hereOf(s driver.Status) here {
	h := here{
		PeerID: s.PeerID, Name: s.Name, Version: s.Version, Started: s.Started, Network: s.Network, Phase: s.Phase, NotReady: append([]string{}, s.NotReady...),
		ReadOnly: s.ReadOnly, Draining: s.Copies.Draining, Members: []hereMember{}, From: map[string]float64{}, Active: s.Transfers.Active,
	}
	for _, m := range s.Members {
		h.Members = append(h.Members, hereMember{
			PeerID: m.PeerID, Name: m.Name, Connected: m.Connected, Since: m.Since, Draining: m.Draining, Twin: m.Twin,
		})
	}
	for _, t := range s.Transfers.Running {
		for _, from := range t.Sources {
			h.From[from.PeerID] += from.Rate
		}
	}
	return h
}
