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
	Cause   error     // how the last holder failed; nil when there was none
	Damaged bool      // there is a copy here that is not right
}

// maxNamed is how many members an error names.
const maxNamed = 5

// Error implements error. A member is named once, together with how it failed.
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

// Unwrap gives the cause.
func (e *Unavailable) Unwrap() error { return e.Cause }

func (e *Unavailable) named() []peer.ID { return e.Asked[:min(len(e.Asked), maxNamed)] }

// ErrClosing reports that the transfers are closing, and fetch nothing any more.
var ErrClosing = errors.New("this registry is stopping")

// ErrNotKept reports that the bytes of a blob cannot be kept here now, for example because
// the disk is full, whatever members hold.
var ErrNotKept = fetch.ErrNotKept

// mayStream reports whether a blob whose transfer failed can be passed on to a reader
// without being kept. A stream takes more file descriptors than a refusal.
func mayStream(err error) bool { return errors.Is(err, ErrNotKept) && !room.IsCrowded(err) }
