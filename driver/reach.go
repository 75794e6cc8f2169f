package driver

import "context"

// Reach is how this registry and its members reach each other, as they found when they dialed.
type Reach struct {
	Members []MemberReach `json:"members"` // trusted and connected, by peer ID
}

// MemberReach is how this registry and a member reach each other. An outcome is reached, closed
// (the connection was refused), silent (nothing answered), other (another peer answered), or failed.
type MemberReach struct {
	PeerID    string       `json:"peer_id"`
	Name      string       `json:"name"`
	DataPort  string       `json:"data_port"` // outcome of dialing its data port; "": it has none, or this registry has none
	Asked     bool         `json:"asked"`     // whether it reaches this registry: no more than eight are
	Trouble   string       `json:"trouble"`   // why it did not say so; "": it did, or was not asked
	Seen      string       `json:"seen"`      // multiaddr at which it sees this registry; "": it did not say
	Addresses []DialedBack `json:"addresses"` // of this registry, that it dialed
}

// DialedBack is an address of this registry that a member dialed.
type DialedBack struct {
	Address string `json:"address"` // multiaddr
	Data    bool   `json:"data"`    // it is one of the data port
	Outcome string `json:"outcome"`
}

// Reach dials the data ports of the members, and has some members dial this registry, at what it
// announces and at where they see it. It takes up to some ten seconds.
func (d *Driver) Reach(ctx context.Context) Reach { return d.store.reach(ctx) }

func (s *store) reach(ctx context.Context) Reach {
	r := Reach{Members: []MemberReach{}}
	for _, m := range s.engine.Reach(ctx) {
		of := MemberReach{
			PeerID: m.ID.String(), Name: m.Name, DataPort: string(m.Data), Asked: m.Asked,
			Seen: m.Reach.Seen, Addresses: []DialedBack{},
		}
		if m.Err != nil {
			of.Trouble = m.Err.Error()
		}
		for _, t := range m.Reach.Tried {
			of.Addresses = append(of.Addresses, DialedBack{t.Addr, t.Data, string(t.Outcome)})
		}
		r.Members = append(r.Members, of)
	}
	return r
}
