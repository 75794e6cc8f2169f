package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
)

const (
	drainPause = time.Second      // from one look at what is left to the next, at least
	drainMost  = 30 * time.Second // and at most
)

// DrainState is how far a registry is with handing on what it has.
type DrainState struct {
	Draining bool        `json:"draining"`
	Done     bool        `json:"done"`      // it may be switched off for good
	Looked   float64     `json:"looked"`    // how much of the map the look has covered that this is of: from 0 to 1
	Here     BlobAmount  `json:"here"`      // blobs on this registry that have an entry
	Left     BlobAmount  `json:"left"`      // of these, those that too few others keep yet
	OnlyHere BlobAmount  `json:"only_here"` // of these, those that none of the registries has which are to keep them
	Keepers  int         `json:"keepers"`   // other registries that keep blobs
	Merged   int         `json:"merged"`    // members that have all changes of the map
	Behind   []DrainPeer `json:"behind"`    // members that lack some
	NoRoom   []DrainPeer `json:"no_room"`   // members that are to keep some of what is left, and say that they have no room
	Warning  string      `json:"warning"`   // what the others lack once it is switched off; "": nothing, or it may not be yet
	Reason   string      `json:"reason"`    // why it may not be switched off yet, or could not be looked; "": it may
	Unsaved  string      `json:"unsaved"`   // why a restart may undo what draining says, as while the disk is full; "": it does not
}

// BlobAmount is a number of blobs, and the sum of their sizes.
type BlobAmount struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// DrainPeer is a member that something is to be handed on to.
type DrainPeer struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"` // "" when it is not known
}

// Drain makes this registry one that is to be switched off for good, also after a restart, unless
// DrainState.Unsaved says why not: it takes no pushes and deletes any more, and other registries
// fetch what it kept. It says how far that is; with wait it returns once the registry may be switched
// off, or with ctx. progress is called now and then, from one goroutine.
func (d *Driver) Drain(ctx context.Context, wait bool, progress func(DrainState)) (DrainState, error) {
	return d.store.drain(ctx, wait, progress)
}

// Undrain makes this registry stay: it takes pushes, and keeps blobs for others.
func (d *Driver) Undrain(ctx context.Context) (DrainState, error) { return d.store.undrain(ctx) }

// handing is what the drain that is going on has found so far. Who asks again, without waiting, goes
// on from there, and does not have everything looked through each time. It is safe for concurrent use.
type handing struct {
	mu   sync.Mutex
	last *engine.Handover // another one for each drain
}

// begin drains, and returns what has been found since the last begin after an end.
func (h *handing) begin(drain func() error) (*engine.Handover, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = &engine.Handover{}
	}
	return h.last, drain()
}

// end lets the registry stay: what it takes from then on is looked at by the next drain.
func (h *handing) end(undrain func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = nil
	return undrain()
}

func (h *handing) get(of *engine.Handover) engine.Handover {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *of
}

// put keeps what a look has found. Once nothing is left, who asks again has everything looked at:
// those that had it may have lost it.
func (h *handing) put(of *engine.Handover, now engine.Handover) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if *of = now; now.Done() {
		*of = engine.Handover{}
	}
}

func (s *store) drainUnsaved() string {
	if err := s.engine.DrainUnsaved(); err != nil {
		return err.Error()
	}
	return ""
}

func (s *store) undrain(ctx context.Context) (DrainState, error) {
	err := s.handing.end(func() error { return s.engine.SetDraining(ctx, false) })
	return DrainState{Behind: []DrainPeer{}, NoRoom: []DrainPeer{}, Unsaved: s.drainUnsaved()}, err
}

func (s *store) drain(ctx context.Context, wait bool, progress func(DrainState)) (DrainState, error) {
	h, err := s.handing.begin(func() error { return s.engine.SetDraining(ctx, true) })
	if err != nil {
		return DrainState{}, err
	}
	last := DrainState{Draining: true, Behind: []DrainPeer{}, NoRoom: []DrainPeer{}, Unsaved: s.drainUnsaved()}
	for {
		began := time.Now()
		now, err := s.handOver(ctx, h, last, progress)
		if err != nil || now.Done || !wait {
			return now, err
		}
		last = now
		progress(last)
		select {
		case <-time.After(min(max(drainPause, 4*time.Since(began)), drainMost)):
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}

// handOver looks once at what is left, after what h had found, and puts there what it finds.
func (s *store) handOver(ctx context.Context, h *engine.Handover, last DrainState, progress func(DrainState)) (DrainState, error) {
	told := time.Now()
	now, err := s.engine.Handover(ctx, s.handing.get(h), func(paths, of int) {
		if time.Since(told) < time.Second {
			return
		}
		told = time.Now()
		last.Looked = float64(paths) / float64(max(of, 1))
		progress(last)
	})
	switch {
	case errors.Is(err, replica.ErrNotStarted), errors.Is(err, engine.ErrJoining), errors.Is(err, pathmap.ErrBusy):
		last.Reason = err.Error()
		return last, nil
	case err != nil:
		return last, err
	}
	s.handing.put(h, now)
	return s.drainState(now), nil
}

func (s *store) drainState(h engine.Handover) DrainState {
	d := DrainState{
		Draining: true, Done: h.Done(), Looked: 1, Keepers: h.Keepers, Merged: h.Merged, Behind: []DrainPeer{}, NoRoom: []DrainPeer{},
		Here: BlobAmount(h.Here), Left: BlobAmount(h.Left), OnlyHere: BlobAmount(h.OnlyHere), Unsaved: s.drainUnsaved(),
	}
	for _, id := range h.Behind {
		d.Behind = append(d.Behind, DrainPeer{PeerID: id, Name: s.engine.NameOf(id)})
	}
	full := s.full(idTexts(h.Lacking))
	for _, m := range full {
		d.NoRoom = append(d.NoRoom, DrainPeer{PeerID: m.ID.String(), Name: m.Name})
	}
	switch {
	case d.Done:
		d.Warning = s.tooFewRemain(h.Keepers)
	case h.Left.Blobs > 0 && h.Keepers == 0:
		d.Reason = "no other registry keeps blobs: start another one, or give one a capacity, and replicas"
	case h.Left.Blobs > 0 && len(h.Silent) > 0:
		d.Reason = s.silent(h) + s.whoIsFull(full)
	case len(full) > 0:
		d.Reason = "registries are still fetching what it kept: " + s.called(idTexts(h.Lacking)) + s.whoIsFull(full)
	case h.Left.Blobs > 0:
		d.Reason = "registries are still fetching what it kept: " + s.called(idTexts(h.Lacking)) +
			" (if this does not end, see their status: they may be catching up, or have fewer replicas configured; earlier releases do not say that they have no room)"
	case len(h.Behind) > 0:
		d.Reason = "members lack changes: " + s.called(h.Behind)
	default:
		d.Reason = "no other registry is there that could have its changes"
	}
	return d
}

// tooFewRemain warns of what this registry's configuration wants, which the others mostly share,
// and cannot have without it.
func (s *store) tooFewRemain(keepers int) string {
	left, acks := s.engine.Acks.Members().Lasting(), s.engine.Acks.State().Copies
	copies := Copies(s.engine.Copies.State().Copies)
	switch {
	case left < acks:
		return fmt.Sprintf("registries that remain: %d, and ackreplicas is %d here: those with as much refuse all pushes then; add a registry, or lower it", left, acks)
	case copies != Everywhere && keepers < int(copies):
		return fmt.Sprintf("registries that remain and keep blobs: %d, and replicas is %s here: blobs have fewer copies than that; add a registry, or lower it", keepers, copies)
	}
	return ""
}

// silent says which members are asked in vain, and what ends that.
func (s *store) silent(h engine.Handover) string {
	reason := "registries that are to keep what it kept do not answer (" + s.called(idTexts(h.Silent)) +
		"): wait until they are back, or have been away for repairdelay, when their blobs get new keepers; " +
		"or forget them, if they are gone for good"
	if held := s.whyHeld(s.engine.Copies.State()); held != "" {
		reason += "; blobs get no new keepers now: " + held
	}
	return reason
}

// full are those of some members that say that they have no room for copies.
func (s *store) full(of []string) (full []engine.Member) {
	if len(of) == 0 {
		return nil
	}
	for _, m := range s.engine.Members() {
		if m.Heartbeat != nil && m.Heartbeat.NoRoom.Blobs > 0 && slices.Contains(of, m.ID.String()) {
			full = append(full, m)
		}
	}
	return full
}

// whoIsFull says which members have no room, what they lack, and what ends that.
func (s *store) whoIsFull(full []engine.Member) string {
	if len(full) == 0 {
		return ""
	}
	each := make([]string, len(full))
	for i, m := range full {
		short := m.Heartbeat.NoRoom
		each[i] = fmt.Sprintf("%s has no room for %d blobs: %s", s.engine.Called(m.ID.String()), short.Blobs, lackText(short.Bytes))
	}
	return "; " + strings.Join(each, "; ") + "; add disk there, give it a smaller capacity, or add a registry"
}

// lackText says how many bytes have to become free, if these are short.
func lackText(bytes int64) string {
	if bytes == 0 {
		return "its disk has too few inodes, or its datastore takes no writes"
	}
	return humanize.IBytes(uint64(bytes)) + " more have to be free on its disk"
}

func idTexts[ID fmt.Stringer](ids []ID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return texts
}

// called names members.
func (s *store) called(ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = s.engine.Called(id)
	}
	return strings.Join(names, ", ")
}
