package story

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// What is what limited a transfer.
type What string

// These are the limits.
const (
	NoHolder     What = "no holder"     // nobody was known that has the blob
	FirstAnswer  What = "first byte"    // it was soon over once bytes came
	MuteHolder   What = "mute holder"   // a member that was asked and sent nothing
	OneLink      What = "one link"      // the way from one holder
	AllLinks     What = "links"         // the ways from several holders, or this registry's own
	Feeding      What = "feeding"       // others that fetch the blob as well
	NoWorker     What = "workers"       // other transfers had all places in the crew
	OwnDisk      What = "own disk"      // of this registry
	OwnProcessor What = "own processor" // which verifies what comes
	SlowClient   What = "client"        // who read it
	OwnPace      What = "pace"          // the limit of copies that are made anew
	NoRoom       What = "room"          // on this registry's disk
	Nothing      What = ""              // it has hardly begun
)

// Limit is what a transfer spent most of its time on.
type Limit struct {
	What  What
	Peer  peer.ID       // for OneLink and MuteHolder: whose
	Share float64       // of the time, from 0 to 1
	Took  time.Duration // that time
}

const (
	mostly = 0.8 // of the bytes: then it is the link of one holder that counts
	partly = 0.5 // of the time of workers, or of a wait
	noTime = time.Microsecond
)

// Limit decides what limited the transfer: the phase that took longest. Where that is the flow of
// bytes, it tells this machine's work from the links; and where it is the wait for the first byte, a
// mute holder from one that was just far away. It looks at nothing but the story.
func (s Story) Limit() Limit {
	longest := Room
	for p := range Phases {
		if s.Times[p] > s.Times[longest] {
			longest = p
		}
	}
	took, whole := s.Times[longest], s.Took()
	if took < noTime {
		return Limit{}
	}
	l := Limit{Took: took, Share: float64(took) / float64(whole)}
	l.What, l.Peer = s.why(longest)
	return l
}

func (s Story) why(p Phase) (What, peer.ID) {
	switch p {
	case Room:
		return NoRoom, ""
	case Holders:
		return NoHolder, ""
	case FirstByte:
		// One that is far away, and sends in the end, is not to blame for how far that is.
		if of := s.mutest(); float64(of.Mute) >= partly*float64(s.Times[p]) && (of.Leaves == 0 || of.Retries > 0) {
			return MuteHolder, of.Peer
		}
		return FirstAnswer, ""
	case Mute:
		return MuteHolder, s.mutest().Peer
	case Feed:
		return Feeding, ""
	case Workers:
		return NoWorker, ""
	case Disk:
		return OwnDisk, ""
	case Reader:
		return SlowClient, ""
	case Pace:
		return OwnPace, ""
	}
	return s.flow()
}

// flow says what limited the flow of bytes.
func (s Story) flow() (What, peer.ID) {
	if own := s.Work.Hash + s.Work.Write; float64(own) >= partly*float64(s.Work.Busy) && own > 0 {
		if s.Work.Hash > s.Work.Write {
			return OwnProcessor, ""
		}
		return OwnDisk, ""
	}
	var all int64
	for _, of := range s.Sources {
		all += of.Got
	}
	for _, of := range s.Sources {
		if float64(of.Got) >= mostly*float64(all) && of.Got > 0 {
			return OneLink, of.Peer
		}
	}
	return AllLinks, ""
}

// mutest is the member that was mute for longest.
func (s Story) mutest() (most Source) {
	for _, of := range s.Sources {
		if of.Mute > most.Mute {
			most = of
		}
	}
	return most
}
