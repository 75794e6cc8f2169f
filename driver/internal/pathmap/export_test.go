package pathmap

import (
	"context"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/ipfs/go-ds-crdt/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ParseKey and KeyOf are the two ways between a key and the version of a path.
func ParseKey(key string) (path string, counter uint64, writer string, ours bool, err error) {
	path, v, ours, err := parseKey(key)
	return path, v.counter, v.writer, ours, err
}

func KeyOf(path string, counter uint64, writer string) string {
	return keyOf(path, version{counter, writer}).String()
}

// MaxJump is by how much a counter may exceed the greatest that is known.
const MaxJump = maxJump

// PutRaw writes a delta with one key as an older release might have: without a check.
func (m *Map) PutRaw(key string, e Entry) error { return m.PutValue(key, e.Marshal()) }

// PutValue is PutRaw with a value that may be of a later release.
func (m *Map) PutValue(key string, value []byte) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	if err := m.crdt.Load().Put(m.ctx, ds.RawKey(key), value); err != nil {
		return err
	}
	for _, h := range m.liveHeads() {
		if err := m.setKnown(h, m.crdt.Load().InternalStats(m.ctx).MaxHeight); err != nil {
			return err
		}
	}
	if err := m.ledger.commit(m.ctx); err != nil {
		return err
	}
	m.publish(m.current.Load())
	return nil
}

// DeleteRaw writes a delta that deletes all versions of a path, which this release might not.
func (m *Map) DeleteRaw(path string) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	before := m.liveHeads()
	for _, st := range m.current.Load().versionsOf(path) {
		if err := m.crdt.Load().Delete(m.ctx, keyOf(path, st.version)); err != nil {
			return err
		}
	}
	if err := m.recordHeads(before); err != nil {
		return err
	}
	if err := m.ledger.commit(m.ctx); err != nil {
		return err
	}
	m.publish(m.current.Load())
	return nil
}

// SignatureOf is what is kept as the signature of a delta.
func (m *Map) SignatureOf(c cid.Cid) ([]byte, error) { return m.signatureOf(c) }

// Raw is the live value of a key, of whatever release; nil when there is none.
func (m *Map) Raw(key string) []byte {
	value, err := m.crdt.Load().Get(m.ctx, ds.RawKey(key))
	if err != nil {
		return nil
	}
	return value
}

// What the tests of this package see of it.
var (
	IDOf        = idOf
	EncodeHeads = encodeHeads
	DecodeHeads = decodeHeads
	WithCounter = withCounter
	CounterOf   = counterOf
)

// Greatest is the greatest counter that the map knows of.
func (m *Map) Greatest() uint64 { return m.greatest() }

// HearCounter has the map believe that a member has seen a counter.
func (m *Map) HearCounter(counter uint64) { m.hearCounter(counter) }

// Incarnation is what the map writes under, as its datastore has it.
func (m *Map) Incarnation() string {
	b, err := m.cfg.Store.Get(m.ctx, incarnationKey)
	if err != nil {
		return ""
	}
	return string(b)
}

// Vouched reports whether all members speak for the map's own writes.
func (m *Map) Vouched() bool {
	m.incarnation.mu.Lock()
	defer m.incarnation.mu.Unlock()
	return m.vouched()
}

// Runs are the runs of the members that asked.
type Runs struct{ runs }

// Hear takes that a member asked in a run.
func (r *Runs) Hear(id peer.ID, run string, now time.Time, interval time.Duration) (twin, fresh bool) {
	return r.hear(id, run, now, interval)
}

// Compact compacts the history as far as it can be now.
func (m *Map) Compact(ctx context.Context, c Compaction) error {
	m.history.counted = false
	return m.compact(ctx, c)
}

// Absorb does what is left to do of states.
func (m *Map) Absorb() { m.absorb() }

// Disorder has a map answer as one does that cannot list its history.
func (m *Map) Disorder(yes bool) { m.ordered.Store(!yes) }

// Ordered reports whether it can.
func (m *Map) Ordered() bool { return m.ordered.Load() }

// CountOrdered counts the deltas of the history, page by page.
func (m *Map) CountOrdered() (n int, err error) {
	for at, more := (place{}), true; more && err == nil; {
		var places []place
		if places, more, err = m.placesAfter(m.ctx, at, 100); len(places) > 0 {
			n, at = n+len(places), places[len(places)-1]
		}
	}
	return n, err
}

// Lapsed answers a hearing, with the ticket of an answer before.
func (m *Map) Lapsed(counter uint64, ticket string) (done bool, next string) {
	return m.lapsed(counter, ticket)
}

// BarState has the history of a member read for a while, not its state.
func (m *Map) BarState(id peer.ID) { m.taken.bar(id, errWrongState) }

// BeganWithState reports whether the history that is here does not begin at the beginning.
func (m *Map) BeganWithState() bool { return m.lacksHistory() }

// IncarnationKey is where a map keeps what it writes under.
var IncarnationKey = incarnationKey

// OpenCut has the map begin to give its state to a member, until end is called.
func (m *Map) OpenCut(id peer.ID) (end func(), err error) {
	_, err = m.openCut(id)
	return func() { m.closeCut(id) }, err
}

// NamesOfCut are the IDs of the deltas in the past of a cut that is open.
func (m *Map) NamesOfCut(id peer.ID) (ids []string, err error) {
	m.cuts.mu.Lock()
	c := m.cuts.of[id]
	m.cuts.mu.Unlock()
	err = m.eachNameAt(c, func(id string, _ uint64) error { ids = append(ids, id); return nil })
	return ids, err
}

// Owe has the map wait for heads that a member named and that nobody has.
func (m *Map) Owe(id peer.ID) {
	m.firstHeads.await(id, []cid.Cid{cid.NewCidV1(cid.DagProtobuf, []byte("\x12\x20nobody has a delta of this name."))})
}

// Where a registry keeps what states leave.
var (
	TakingKey = takingKey
	CutKey    = cutKey
	DropKey   = dropKey
	BehindKey = behindKey
	BygoneKey = bygoneKey
	BlockKey  = blockKey
	TwiceKey  = twiceKey
	KnownKey  = knownKey
	ElemKeys  = elemKeys
	LiveKeys  = liveKeys
)

// ProcessedKey is where go-ds-crdt notes that it has merged a delta.
func ProcessedKey(c cid.Cid) ds.Key { return processedKey(idOf(c)) }

// UnfinishedKey is there while a registry joins that began with nothing.
var UnfinishedKey = unfinishedKey

// CountKeys counts the map's keys on disk but for those of names.
func (m *Map) CountKeys() (n int, err error) {
	res, err := m.cfg.Store.Query(m.ctx, query.Query{Prefix: "/paths", KeysOnly: true})
	if err != nil {
		return 0, err
	}
	entries, err := res.Rest()
	for _, e := range entries {
		if !strings.HasPrefix(e.Key, bygoneKey.String()) {
			n++
		}
	}
	return n, err
}

// MergeTombstone merges a delta that removes from a key what a delta wrote, whether it did or not.
func (m *Map) MergeTombstone(key, id string) error {
	return m.mergeMade(&pb.Delta{Tombstones: []*pb.Element{{Key: key, Id: id}}})
}

// MergeElement merges a delta that writes a version, which there may be.
func (m *Map) MergeElement(key string, e Entry) error {
	return m.mergeMade(&pb.Delta{Elements: []*pb.Element{{Key: key, Value: e.Marshal()}}})
}

// mergeMade merges a delta over all heads.
func (m *Map) mergeMade(msg *pb.Delta) error {
	d, err := m.follower(m.Heads(), msg)
	if err != nil {
		return err
	}
	return m.mergeGroup([]*delta{d}, 0)
}

// MergeOver merges a delta that writes a version in place of others.
func (m *Map) MergeOver(e Entry, over map[string]string) error {
	msg := &pb.Delta{}
	for key, old := range over {
		msg.Elements = append(msg.Elements, &pb.Element{Key: key, Value: e.Marshal()})
		if old == "" {
			continue
		}
		ids, err := m.wroteIt(m.cfg.Store, old)
		if err != nil {
			return err
		}
		for _, id := range ids {
			msg.Tombstones = append(msg.Tombstones, &pb.Element{Key: old, Id: id})
		}
	}
	return m.mergeMade(msg)
}

// MaxReplaced is how many changes of a path are read for what they replaced.
const MaxReplaced = maxReplaced

// Expelling is what Expel would write now.
func (m *Map) Expelling(ctx context.Context) ([]Op, error) {
	snap := m.current.Load()
	return m.expelling(ctx, snap, snap.outFrom("", maxExpelled), true)
}

// MergeSiblings merges deltas of a member that all follow the heads of now, and write a path each.
func (m *Map) MergeSiblings(member string, paths []string, e Entry) error {
	heads, counter := m.Heads(), m.greatest()
	var all []pending
	for i, path := range paths {
		key := KeyOf(path, counter+1+uint64(i), member)
		d, err := m.follower(heads, &pb.Delta{Elements: []*pb.Element{{Key: key, Value: e.Marshal()}}})
		if err != nil {
			return err
		}
		all = append(all, pending{place: d.place(), delta: d})
	}
	reach := m.newReach()
	return m.mergeAll(m.ctx, all, &reach, false)
}

// TakeWriters takes what the head of a state says of writers.
func (m *Map) TakeWriters(counter, earlier uint64, of map[string]uint64) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	if err := m.written.take(m, stateHead{Counter: counter, Earlier: earlier, Written: of}); err != nil {
		return err
	}
	return m.ledger.commit(m.ctx)
}

// KeyOfVersion is the key of the one version of a path.
func (m *Map) KeyOfVersion(path string) string {
	return keyOf(path, m.current.Load().versionsOf(path)[0].version).String()
}

// SignOld signs what was written without a signature, as a start does.
func (m *Map) SignOld() { m.signOld() }
