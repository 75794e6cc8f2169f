package driver

import (
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// transferStatus describes the transfers under way, and counts those that ended.
func (r *rooms) transferStatus() admin.Transfers {
	s := admin.Transfers{Ended: map[string]int64{}, Running: []admin.Transfer{}, DataIn: r.transfers.DataIn()}
	s.BytesIn, s.BytesOut = r.transfers.Totals()
	for result, n := range r.transfers.Ended() {
		s.Ended[string(result)] = n
	}
	for _, t := range r.transfers.Running() {
		sources := []admin.TransferSource{}
		for _, from := range t.Sources {
			sources = append(sources, admin.TransferSource{PeerID: from.Peer.String(), Road: string(from.Road), Rate: from.Rate})
		}
		s.Running = append(s.Running, admin.Transfer{
			CID: t.CID.String(), Size: t.Size, Here: t.Here, Since: t.Since, Waiting: t.Waiting,
			Streamed: t.Streamed, Sources: sources,
		})
	}
	s.Active = len(s.Running)
	return s
}
