package transfer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Unavailable reports that no reachable member gave a blob's bytes.
type Unavailable struct {
	CID     cid.Cid
	Asked   []peer.ID // the members asked, sorted
	Cause   error     // how a holder failed, or that nothing came in time; may be nil
	Damaged bool      // there is a damaged copy here
}

// maxNamed is how many members an error names.
const maxNamed = 5

// Error implements error. It names the member that failed only once, together with the failure.
func (e *Unavailable) Error() string {
	failed, of := errors.AsType[*wire.MemberError](e.Cause)
	of = of && slices.Contains(e.named(), failed.ID)
	var names []string
	for _, id := range e.named() {
		if of && id == failed.ID {
			names = append(names, failed.Error())
		} else {
			names = append(names, id.String())
		}
	}
	if more := len(e.Asked) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	msg := fmt.Sprintf("fetch %s: no reachable member holds it (asked %d", e.CID, len(e.Asked))
	if len(names) > 0 {
		msg += ": " + strings.Join(names, ", ")
	}
	msg += ")"
	if e.Damaged {
		msg += ", and the copy here is damaged: push it again"
	}
	if e.Cause != nil && !of {
		msg += ": " + e.Cause.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Cause }

func (e *Unavailable) named() []peer.ID { return e.Asked[:min(len(e.Asked), maxNamed)] }

// ErrClosing reports that the transfers are closing, so that nothing is fetched any more.
var ErrClosing = errors.New("this registry is stopping")

// ErrNotKept reports that this registry cannot keep the bytes of a blob now, for example because
// its disk is full. It says nothing about which members hold the blob.
var ErrNotKept = fetch.ErrNotKept

// mayStream reports whether a blob whose transfer failed can be streamed to a reader without being
// kept. It cannot when file descriptors are short, because a stream takes more of them than a
// refusal.
func mayStream(err error) bool { return errors.Is(err, ErrNotKept) && !room.IsCrowded(err) }
