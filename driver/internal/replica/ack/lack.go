package ack

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

var errSilent = errors.New("has not said that it has it")

// Lack says that a push is not on as many disks as are wanted.
type Lack struct {
	Ref    dag.Ref
	Wanted int    // disks, this one included
	Have   int    // of those; 0: nor on this one
	Known  int    // trusted members
	Gone   string // which of them could not be asked; "": none
	Asked  []Failure
}

// Failure is a member that was asked and does not keep the blob, as far as is known.
type Failure struct {
	ID  peer.ID
	Err error
}

// Error implements error. It gives members by their peer IDs.
func (e *Lack) Error() string { return e.Text(func(id string) string { return id }) }

// Text is the error with the members called otherwise than by their peer IDs.
func (e *Lack) Text(called func(id string) string) string {
	text := fmt.Sprintf("%s is on %d of %d disks", e.Ref.CID, e.Have, e.Wanted)
	var why []string
	if e.Known+1 < e.Wanted {
		why = append(why, fmt.Sprintf("this registry knows %d others that it trusts", e.Known))
	}
	for _, m := range e.Asked {
		why = append(why, called(m.ID.String())+": "+m.Err.Error())
	}
	if e.Gone != "" {
		why = append(why, e.Gone)
	}
	if len(why) == 0 {
		return text
	}
	return text + ": " + strings.Join(why, "; ")
}

// lack describes what is missing now.
func (q *question) lack(members Members) *Lack {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := &Lack{
		Ref: q.blob.Ref, Wanted: q.cfg.Copies, Have: q.cfg.Copies - q.need + q.kept(),
		Known: members.Known, Gone: members.Missing(),
	}
	for _, m := range q.asked {
		if !m.kept {
			e.Asked = append(e.Asked, Failure{m.id, cmp.Or(m.err, m.last, errSilent)})
		}
	}
	return e
}
