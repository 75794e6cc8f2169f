package engine

import (
	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// RoadTo is the way by which blobs would be asked of the member with a peer ID now.
func (e *Engine) RoadTo(id string) string {
	of, err := libpeer.Decode(id)
	switch {
	case err != nil || e.Peer == nil:
		return ""
	case e.Transfers.UsesDataPort(of):
		return string(story.RoadData)
	case e.Peer.Relayed(of):
		return string(story.RoadRelay)
	}
	return string(story.RoadStream)
}
