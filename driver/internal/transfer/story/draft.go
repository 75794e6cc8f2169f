package story

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Draft is a story while it happens. It is for one goroutine.
type Draft struct {
	story  Story
	phase  Phase
	at     time.Time // until when the time is counted
	of     map[peer.ID]*teller
	others *teller // sums up the members for which there is no place
	more   map[peer.ID]bool
}

// teller is what is known of one source.
type teller struct {
	Source
	first time.Time // when it was first asked for leaves
	since time.Time // since when it has something to send
	under int       // orders that it is carrying out
}

// maxMore is how many members beyond those that are told of are told apart, to be counted.
const maxMore = 1024

// NewDraft begins a story.
func NewDraft(c cid.Cid, size int64, begun time.Time) *Draft {
	return &Draft{story: Story{CID: c, Size: size, Begun: begun}, phase: Holders, at: begun, of: map[peer.ID]*teller{}}
}

// Turn says what the transfer waits for from now on.
func (d *Draft) Turn(now time.Time, next Phase) {
	if spent := now.Sub(d.at); spent > 0 {
		d.story.Times[d.phase] += spent
		d.at = now
	}
	d.phase = next
}

// Spend counts time that the transfer took beside its turns: before it began, or after its last one.
func (d *Draft) Spend(p Phase, took time.Duration) { d.story.Times[p] += max(took, 0) }

// source is what is told of a member, or of all those for which there is no place.
func (d *Draft) source(id peer.ID) *teller {
	if of := d.of[id]; of != nil {
		return of
	}
	if len(d.of) < MaxSources {
		of := &teller{Source: Source{Peer: id}}
		d.of[id] = of
		return of
	}
	if d.others == nil {
		d.others, d.more = &teller{}, map[peer.ID]bool{}
	}
	if len(d.more) < maxMore {
		d.more[id] = true
	}
	return d.others
}

// Order notes that a member is asked for leaves, until Done.
func (d *Draft) Order(id peer.ID, now time.Time) {
	of := d.source(id)
	of.Asked++
	if of.first.IsZero() {
		of.first = now
	}
	if of.under == 0 {
		of.since = now
	}
	of.under++
}

// How is how an order, or a question for an inner block, went.
type How struct {
	Road   Road          // "": it was not answered
	Got    int64         // bytes
	First  time.Time     // when the first of them came; zero: none did
	Mute   time.Duration // for which nothing came
	Took   time.Duration // of the worker
	Failed bool          // somebody has to be asked again
	Wrong  bool          // the bytes were
}

// Done notes how an order of a member went.
func (d *Draft) Done(id peer.ID, now time.Time, how How) {
	of := d.source(id)
	if of.under--; of.under == 0 {
		of.Busy += now.Sub(of.since)
	}
	d.add(of, how)
}

func (d *Draft) add(of *teller, how How) {
	d.story.Work.Busy += how.Took
	if !how.First.IsZero() {
		d.firstByte(of, how.First)
	}
	d.note(of, how)
}

// Question notes how a question for an inner block went.
func (d *Draft) Question(id peer.ID, how How) {
	of := d.source(id)
	of.Asked++
	d.note(of, how)
}

func (d *Draft) note(of *teller, how How) {
	of.Got += how.Got
	of.Mute += how.Mute
	if how.Failed {
		of.Retries++
	}
	if how.Wrong {
		of.Wrong++
	}
	if how.Road != "" && !slices.Contains(of.Roads, how.Road) {
		of.Roads = append(of.Roads, how.Road)
	}
}

func (d *Draft) firstByte(of *teller, at time.Time) {
	if of.First == 0 && !of.first.IsZero() {
		of.First = max(at.Sub(of.first), 1)
	}
	if after := max(at.Sub(d.story.Begun), 1); d.story.First == 0 || after < d.story.First {
		d.story.First = after
	}
}

// Leaf notes that a leaf is here that a member sent, and nobody before.
func (d *Draft) Leaf(id peer.ID, bytes int64) {
	of := d.source(id)
	of.Leaves++
	of.Bytes += bytes
	d.story.Bytes += bytes
}

// Swapped notes that a leaf is here by bitswap, which nobody had sent before.
func (d *Draft) Swapped(now time.Time, bytes int64) {
	d.Leaf("", bytes)
	of := d.source("")
	if of.first.IsZero() {
		of.first = d.story.Begun
	}
	d.firstByte(of, now)
	d.note(of, How{Road: RoadBitswap, Got: bytes})
}

// Copied notes that a leaf is here that another blob here had.
func (d *Draft) Copied(bytes int64) { d.story.Copied += bytes }

// Work notes how long this machine took to verify leaves and to write them, altogether.
func (d *Draft) Work(hash, write time.Duration) { d.story.Work.Hash, d.story.Work.Write = hash, write }

// Open is an order that is under way, and how it has gone so far.
type Open struct {
	Peer peer.ID
	How
}

// Told is the story so far, with the orders that are under way.
func (d *Draft) Told(now time.Time, under ...Open) Story {
	so := Draft{story: d.story, phase: d.phase, at: d.at, of: make(map[peer.ID]*teller, len(d.of)), others: d.others.told(now), more: d.more}
	for id, of := range d.of {
		so.of[id] = of.told(now)
	}
	so.Turn(now, d.phase)
	for _, o := range under {
		so.add(so.source(o.Peer), o.How)
	}
	s := so.story
	s.Sources = make([]Source, 0, len(so.of)+1)
	for _, of := range so.of {
		s.Sources = append(s.Sources, of.Source)
	}
	slices.SortFunc(s.Sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Mute, a.Mute), cmp.Compare(a.Peer, b.Peer))
	})
	if so.others != nil {
		s.Sources, s.Others = append(s.Sources, so.others.Source), len(so.more)
	}
	return s
}

// told is a copy for one moment.
func (t *teller) told(now time.Time) *teller {
	if t == nil {
		return nil
	}
	of := *t
	of.Roads = slices.Clone(t.Roads)
	if t.under > 0 {
		of.Busy += max(now.Sub(t.since), 0)
	}
	return &of
}
