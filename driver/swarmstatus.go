package driver

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/summary"
)

// rateTime is the time over which rates are measured: from one question to a member to the next.
const rateTime = time.Second

// SwarmStatus is how all registries of a swarm are, as they say when they are asked.
type SwarmStatus struct {
	Members []SwarmMember `json:"members"` // this registry first, then the others by peer ID
}

// SwarmMember is how one registry is. What it did not say is null.
type SwarmMember struct {
	PeerID    string `json:"peer_id"`
	Name      string `json:"name"`      // "" unknown
	Self      bool   `json:"self"`      // it is the registry that was asked for this
	Connected bool   `json:"connected"` // to this registry, now
	// ConnectedTo are the peer IDs of the registries that it says it is connected to; of more than 64
	// none are named.
	ConnectedTo []string `json:"connected_to"`
	Trouble     string   `json:"trouble"` // why it did not answer, so that only what its heartbeats said is known of it; "": it did
	Version     string   `json:"version"` // of its release; "": unknown

	UpSince *time.Time     `json:"up_since"`     // when its storage was opened, by this registry's clock
	Ahead   *time.Duration `json:"ahead"`        // nanoseconds by which its clock is ahead of this registry's, give or take the time of its answer
	Within  *time.Duration `json:"ahead_within"` // nanoseconds, half of that time: so much Ahead may be wrong
	Map     *SwarmMap      `json:"map"`

	Kept       *BlobAmount `json:"kept"`             // blobs that it is to keep, and has
	Cache      *BlobAmount `json:"cache"`            // blobs that it has, and is not to keep
	OnlyHere   *BlobAmount `json:"only_here"`        // blobs that no other registry has that answered it
	Images     []string    `json:"only_here_images"` // some of those that need such a blob
	FreeBytes  *int64      `json:"free_bytes"`
	NoRoom     *BlobAmount `json:"no_room"` // copies that it has no room for: blobs, and bytes that have to become free for them; nil: none, or unknown
	TotalBytes *int64      `json:"total_bytes"`

	Transfers *int          `json:"transfers"` // blobs that are on their way to it
	RateIn    *float64      `json:"rate_in"`   // bytes a second that it receives from members
	RateOut   *float64      `json:"rate_out"`  // bytes a second that it sends to members
	LastError *SwarmTrouble `json:"last_error"`
}

// SwarmMap is a registry's path map, compared with that of this one.
type SwarmMap struct {
	Entries int    `json:"entries"`  // paths
	Digest  string `json:"digest"`   // in hex; registries with the same one hold the same map
	State   string `json:"state"`    // same, behind (it lacks changes that are here), or other (it has changes that are not here)
	Behind  int    `json:"behind"`   // changes that are here and that it lacks; of what is other, as far as can be told
	AtLeast bool   `json:"at_least"` // it lacks more than that, or may
}

// States of a SwarmMap.
const (
	mapSame   = "same"
	mapBehind = "behind"
	mapOther  = "other"
)

// SwarmTrouble is the last warning or error in a registry's log since its storage was opened.
type SwarmTrouble struct {
	At   time.Time `json:"at"` // by this registry's clock
	Text string    `json:"text"`
}

// Swarm asks all other registries that this one knows how they are, and says how it is itself. One
// that is away, or does not answer within some seconds, is there with what its heartbeats said. It
// takes a second, in which rates are measured, and some more when somebody is silent.
//
// Who asks while members are asked for another gets the same answer, which is not to be changed. It
// has no members when ctx ends before.
func (d *Driver) Swarm(ctx context.Context) SwarmStatus {
	st, err := d.store.askedSwarm(ctx)
	if err != nil {
		return SwarmStatus{Members: []SwarmMember{}}
	}
	return st
}

func (s *store) askedSwarm(ctx context.Context) (SwarmStatus, error) {
	return s.swarms.ask(ctx, "", func(ctx context.Context) (SwarmStatus, error) { return s.swarm(ctx), nil })
}

func (s *store) swarm(ctx context.Context) SwarmStatus {
	view, heads := s.paths.View(), s.paths.Heads()
	began := time.Now()
	own, all := s.summary(), s.engine.AskSummaries(ctx)
	seen := time.Now()
	select {
	case <-time.After(rateTime - min(rateTime, seen.Sub(began))):
	case <-ctx.Done():
	}
	ownAgain, again := s.summary(), s.engine.AskAgain(ctx, all)
	compare := &mapComparer{s: s, digest: view.Digest(), heads: heads, known: map[string]SwarmMap{}}
	self := SwarmMember{PeerID: s.engine.Self(), Self: true, Connected: true}
	self.says(own, seen, SwarmMap{Entries: view.Len(), Digest: view.Digest(), State: mapSame})
	self.moves(own, ownAgain)
	short := s.engine.NoRoom()
	self.NoRoom = noRoom(short.Blobs, short.Bytes)
	st := SwarmStatus{Members: []SwarmMember{self}}
	for _, m := range all {
		st.Members = append(st.Members, swarmMember(m, again, seen, compare))
	}
	return st
}

func swarmMember(m engine.MemberSummary, again []engine.MemberSummary, seen time.Time, maps *mapComparer) SwarmMember {
	of := SwarmMember{PeerID: m.ID.String(), Name: m.Name, Connected: m.Connected}
	if beat := m.Heartbeat; beat != nil {
		of.NoRoom = noRoom(beat.NoRoom.Blobs, beat.NoRoom.Bytes)
	}
	if m.Err != nil {
		of.Trouble = m.Err.Error()
		if beat := m.Heartbeat; beat != nil {
			of.Version, of.FreeBytes = beat.Version, &beat.Free
		}
		return of
	}
	of.says(m.Summary, seen, maps.of(m.Summary.Map))
	i := slices.IndexFunc(again, func(a engine.MemberSummary) bool { return a.ID == m.ID })
	if i >= 0 && again[i].Err == nil {
		of.moves(m.Summary, again[i].Summary)
	}
	return of
}

// says fills in what a registry said of itself, which was known here at a time.
func (m *SwarmMember) says(o summary.Summary, seen time.Time, of SwarmMap) {
	up, ahead, within := seen.Add(-o.Up).Round(time.Second), o.Now.Sub(o.Heard), o.Took/2
	m.Version, m.UpSince, m.Ahead, m.Within, m.Map = o.Version, &up, &ahead, &within, &of
	if o.Name != "" {
		m.Name = o.Name
	}
	m.Kept, m.Cache, m.OnlyHere = (*BlobAmount)(o.Kept), (*BlobAmount)(o.Cache), (*BlobAmount)(o.OnlyHere)
	m.Images, m.ConnectedTo = append([]string{}, o.Images...), o.Connected
	if o.Total > 0 {
		m.FreeBytes, m.TotalBytes = &o.Free, &o.Total
	}
	m.Transfers = &o.Transfers
	if o.Trouble != nil {
		m.LastError = &SwarmTrouble{At: seen.Add(-o.Trouble.Ago).Round(time.Second), Text: o.Trouble.Text}
	}
}

// moves fills in the rates, of what a registry said first and again.
func (m *SwarmMember) moves(first, again summary.Summary) {
	took := (again.Up - first.Up).Seconds()
	if took <= 0 || again.In < first.In || again.Out < first.Out {
		return // it was started meanwhile
	}
	in, out := float64(again.In-first.In)/took, float64(again.Out-first.Out)/took
	m.RateIn, m.RateOut = &in, &out
}

// mapComparer compares maps with what this registry's was when it began to ask. What many have is
// compared once.
type mapComparer struct {
	s      *store
	digest string
	heads  []cid.Cid
	known  map[string]SwarmMap // by their digest and heads
}

func (c *mapComparer) of(m summary.Map) SwarmMap {
	key := m.Digest + " " + strings.Join(m.Heads, " ")
	of, ok := c.known[key]
	if !ok {
		of = c.compare(m)
		c.known[key] = of
	}
	of.Entries, of.Digest = m.Entries, m.Digest
	return of
}

func (c *mapComparer) compare(m summary.Map) SwarmMap {
	if m.Digest == c.digest {
		return SwarmMap{State: mapSame}
	}
	theirs, other := []cid.Cid{}, len(m.Heads) == 0 && m.Entries > 0
	for _, text := range m.Heads {
		head, err := cid.Decode(text)
		if err == nil && c.s.paths.HasDelta(head) {
			theirs = append(theirs, head)
		} else {
			other = true
		}
	}
	n, more, err := c.s.paths.Lacks(c.heads, theirs)
	switch {
	case other && len(theirs) == 0, err != nil: // nothing is known of what it has
		return SwarmMap{State: mapOther, AtLeast: true}
	case other:
		return SwarmMap{State: mapOther, Behind: n, AtLeast: true}
	case n == 0:
		return SwarmMap{State: mapSame} // it has what came here meanwhile
	}
	return SwarmMap{State: mapBehind, Behind: n, AtLeast: more}
}

// summary is what this registry tells members of itself.
func (s *store) summary() summary.Summary {
	images := s.onlyHere()
	e, view, now := s.engine, s.paths.View(), time.Now()
	counts, counted := s.blobCounts(view)
	free, total := e.DiskSpace()
	in, out := s.transfers.Totals()
	o := summary.Summary{
		Now: now, Heard: now, Up: now.Sub(e.Started()), Name: e.Name(), Version: build.Read().Version,
		Map:    summary.Map{Digest: view.Digest(), Entries: view.Len(), Heads: texts(s.paths.Heads())},
		Images: images, Free: int64(free), Total: int64(total), Transfers: len(s.transfers.Running()), In: in, Out: out,
		Connected: e.ConnectedMembers(),
	}
	if counted != nil {
		o.Kept = &summary.Amount{Blobs: counts.kept, Bytes: counts.keptBytes}
		o.Cache = &summary.Amount{Blobs: counts.cached, Bytes: counts.cachedBytes}
	}
	if found, ok := e.Surveyed(); ok {
		o.OnlyHere = &summary.Amount{Blobs: found.OnlyHere.Blobs, Bytes: found.OnlyHere.Bytes}
	}
	if at, text := e.Trouble(); !at.IsZero() {
		o.Trouble = &summary.Trouble{Ago: now.Sub(at), Text: text}
	}
	return o.Plausible()
}
