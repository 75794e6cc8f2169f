package driver

import "time"

// Transfers counts the blobs and bytes that were received from members and sent to them
// since the start.
type Transfers struct {
	Active   int              `json:"active"`             // blobs under way now, as many as Running has
	BytesIn  int64            `json:"bytes_in"`           // bytes of blobs received
	DataIn   int64            `json:"data_port_bytes_in"` // of these, from data ports
	BytesOut int64            `json:"bytes_out"`          // bytes of blobs sent
	Ended    map[string]int64 `json:"ended"`              // transfers that are over, by result: whole, streamed, unavailable, failed or abandoned
	Running  []Transfer       `json:"running"`            // the oldest first
}

// Transfer is one blob on its way here, or streamed to one client.
type Transfer struct {
	CID      string           `json:"cid"`
	Size     int64            `json:"size"`     // bytes of the blob
	Here     int64            `json:"here"`     // bytes of these that are verified; of a stream, passed on to the reader
	Since    time.Time        `json:"since"`    // when it began
	Waiting  int              `json:"waiting"`  // readers of this registry
	Streamed bool             `json:"streamed"` // there is no room to keep the blob
	Sources  []TransferSource `json:"sources"`  // of its bytes at the moment
}

// TransferSource is where bytes of a blob come from at the moment.
type TransferSource struct {
	PeerID string  `json:"peer_id"` // "": any peer that answers by bitswap
	Road   string  `json:"road"`    // data port, libp2p or bitswap
	Rate   float64 `json:"rate"`    // bytes a second
}

// transferStatus describes the transfers under way, and counts those that ended.
func (s *store) transferStatus() Transfers {
	st := Transfers{Ended: map[string]int64{}, Running: []Transfer{}, DataIn: s.transfers.DataIn()}
	st.BytesIn, st.BytesOut = s.transfers.Totals()
	for result, n := range s.transfers.Ended() {
		st.Ended[string(result)] = n
	}
	for _, t := range s.transfers.Running() {
		sources := []TransferSource{}
		for _, from := range t.Sources {
			sources = append(sources, TransferSource{PeerID: from.Peer.String(), Road: string(from.Road), Rate: from.Rate})
		}
		st.Running = append(st.Running, Transfer{
			CID: t.CID.String(), Size: t.Size, Here: t.Here, Since: t.Since, Waiting: t.Waiting,
			Streamed: t.Streamed, Sources: sources,
		})
	}
	st.Active = len(st.Running)
	return st
}
