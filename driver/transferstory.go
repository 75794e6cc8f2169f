package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

const (
	maxRunning   = 1000                   // transfers under way that are told of
	maxFollowers = 16                     // who follow the transfers at the same time
	storyTick    = time.Second            // how often they are told of those under way
	storyPause   = 100 * time.Millisecond // at least, between two updates
)

// TransferStories are what is told of transfers to this registry.
type TransferStories struct {
	Running  []TransferStory `json:"running"`  // the oldest first
	Finished []TransferStory `json:"finished"` // the last 1,000 since the start, the oldest first
}

// TransferStory is what is told of a transfer: whence the bytes of a blob came, what its time went
// to, and what limited it. It is over when the blob is here, or is not to be had, and nobody reads it
// any more who had to wait for it.
type TransferStory struct {
	Number    uint64        `json:"number"` // counted from 1 since the start; 0: it is not over
	CID       string        `json:"cid"`
	Digest    string        `json:"digest"` // sha256:…; "": no entry names it, or it was not looked for
	Size      int64         `json:"size"`   // bytes of the blob
	Here      int64         `json:"here"`   // bytes of these that are verified; of a stream, passed on to the reader
	For       string        `json:"for"`    // who asked: client, keeper, push, manifests, mend or trace
	Begun     time.Time     `json:"begun"`
	Ended     *time.Time    `json:"ended"`      // nil: it is under way
	Result    string        `json:"result"`     // whole, streamed, unavailable, failed or abandoned; "": it is under way
	Error     string        `json:"error"`      // why it failed
	FirstByte time.Duration `json:"first_byte"` // nanoseconds from when it began until the first byte came; 0: none did
	Took      time.Duration `json:"took"`       // nanoseconds, with what it waited for before it began and for its readers
	Received  int64         `json:"received"`   // bytes that came from others and were of use
	Copied    int64         `json:"copied"`     // bytes that other blobs here had
	Before    int64         `json:"before"`     // bytes that were here before
	Rate      float64       `json:"rate"`       // bytes a second, of Received over Took
	Retries   int           `json:"retries"`    // how often somebody else had to be asked, or again
	Wrong     int           `json:"wrong"`      // of these, because the bytes were wrong
	Readers   int           `json:"readers"`    // clients that read it at the moment
	// Waits are nanoseconds by what it waited for: room, holders, first byte, flow (bytes came), mute
	// (holders), feed (registries that fetch it as well), workers, disk, reader, pace. They add up to
	// Took; what took no time is left out.
	Waits   map[string]time.Duration `json:"waits"`
	Limit   TransferLimit            `json:"limit"`
	Sources []StorySource            `json:"sources"` // who sent most comes first
	Others  int                      `json:"others"`  // members beyond the first 32; the last source is what they sent
}

// TransferLimit is what a transfer spent most of its time on.
type TransferLimit struct {
	// What is no holder, first byte, mute holder, one link, links, feeding, workers, own disk, own
	// processor, client, pace or room; "": it has hardly begun.
	What   string  `json:"what"`
	PeerID string  `json:"peer_id"` // whose link, or who was mute; "" otherwise
	Name   string  `json:"name"`    // of that member
	Share  float64 `json:"share"`   // of the time, from 0 to 1
}

// StorySource is what a member sent of a blob.
type StorySource struct {
	PeerID    string        `json:"peer_id"` // "": any peers that answered by bitswap, or all Others
	Name      string        `json:"name"`
	Roads     []string      `json:"roads"` // data port, libp2p, relay or bitswap, the first one first
	Bytes     int64         `json:"bytes"` // that were of use
	Leaves    int           `json:"leaves"`
	Got       int64         `json:"got"`        // bytes of leaves that came, of use or not
	Rate      float64       `json:"rate"`       // bytes a second, of Got while it was to send something
	FirstByte time.Duration `json:"first_byte"` // nanoseconds from when it was first asked for leaves; 0: none came
	Mute      time.Duration `json:"mute"`       // nanoseconds for which it sent nothing when it should have
	Asked     int           `json:"asked"`      // orders, and questions for inner blocks
	Retries   int           `json:"retries"`    // of these, how many somebody else was asked instead
	Wrong     int           `json:"wrong"`      // of these, how many it answered with wrong bytes
}

// TransferStories are those of the transfers under way, and of those that are over with a greater
// number than after.
func (d *Driver) TransferStories(after uint64) TransferStories { return d.store.transferStories(after) }

func (s *store) transferStories(after uint64) TransferStories {
	running, finished := s.transfers.Stories(), s.transfers.Finished(after)
	running = running[:min(len(running), maxRunning)]
	all := s.tellStories(append(running, finished...))
	return TransferStories{Running: all[:len(running):len(running)], Finished: all[len(running):]}
}

// FollowTransfers tells of transfers until ctx ends: of those under way about once a second while
// there are any, and of those that are over with a greater number than after as soon as they are.
// The error is that of ctx, or says that too many follow already. Who is told more slowly than
// transfers end misses some, and their numbers.
func (d *Driver) FollowTransfers(ctx context.Context, after uint64, tell func(TransferStories)) error {
	_, err := d.store.followTransfers(ctx, after, tell)
	return err
}

// followTransfers does that, and returns the greatest number that it told.
func (s *store) followTransfers(ctx context.Context, after uint64, tell func(TransferStories)) (uint64, error) {
	defer s.followers.Add(-1)
	if s.followers.Add(1) > maxFollowers {
		return after, admin.Conflict(fmt.Errorf("%d follow the transfers already", maxFollowers))
	}
	for before := -1; ; {
		changed := s.transfers.FinishedChanged()
		now := s.transferStories(after)
		if n := len(now.Finished); n > 0 {
			after = now.Finished[n-1].Number
		}
		if len(now.Finished) > 0 || len(now.Running) > 0 || before != 0 {
			tell(now)
		}
		before = len(now.Running)
		pause := time.NewTimer(storyPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return after, ctx.Err()
		}
		tick := time.NewTimer(storyTick - storyPause)
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
		}
		tick.Stop()
		if ctx.Err() != nil {
			return after, ctx.Err()
		}
	}
}

// tellStories adds what the driver knows to stories: digests, and the members' names.
func (s *store) tellStories(stories []story.Story) []TransferStory {
	names := map[string]string{}
	for _, m := range s.engine.Members() {
		names[m.ID.String()] = m.Name
	}
	digests := s.digestsOf(stories)
	all := make([]TransferStory, 0, len(stories))
	for _, of := range stories {
		told := tellStory(of, names)
		told.Digest = digests[of.CID].String()
		all = append(all, told)
	}
	return all
}

func tellStory(s story.Story, names map[string]string) TransferStory {
	limit := s.Limit()
	t := TransferStory{
		Number: s.Number, CID: s.CID.String(), Size: s.Size, Here: s.Here, For: string(s.For), Begun: s.Begun,
		Result: string(s.Result), Error: s.Error, FirstByte: s.First, Took: s.Took(), Received: s.Bytes, Copied: s.Copied,
		Before: s.Before, Retries: s.Retries(), Wrong: s.Wrong(), Readers: s.Readers, Waits: map[string]time.Duration{},
		Limit:   TransferLimit{What: string(limit.What), PeerID: limit.Peer.String(), Share: limit.Share},
		Sources: []StorySource{}, Others: s.Others,
	}
	t.Limit.Name = names[t.Limit.PeerID]
	if !s.Ended.IsZero() {
		t.Ended = &s.Ended
	}
	if t.Took > 0 {
		t.Rate = float64(s.Bytes) / t.Took.Seconds()
	}
	for p := range story.Phases {
		if s.Times[p] > 0 {
			t.Waits[p.String()] = s.Times[p]
		}
	}
	for _, of := range s.Sources {
		src := StorySource{
			PeerID: of.Peer.String(), Roads: []string{}, Bytes: of.Bytes, Leaves: of.Leaves, Got: of.Got, Rate: of.Rate(),
			FirstByte: of.First, Mute: of.Mute, Asked: of.Asked, Retries: of.Retries, Wrong: of.Wrong,
		}
		src.Name = names[src.PeerID]
		for _, r := range of.Roads {
			src.Roads = append(src.Roads, string(r))
		}
		t.Sources = append(t.Sources, src)
	}
	return t
}
