package driver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/boxo/datastore/dshelp"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Ear stands between a registry's pubsub and its path map. It loses what others
// announce while Lose is set, and counts. A Link cannot do this: it carries one
// encrypted connection, in which announcements are a few bytes among others.
type Ear struct {
	Lose atomic.Bool
	Lost atomic.Int64

	mu    sync.Mutex
	heard map[string]int
}

// Open opens a driver that hears through this ear. It is New but for that.
func (e *Ear) Open(ctx context.Context, p Parameters) (*Driver, error) {
	return openWith(ctx, p, func(s *store) {
		s.engine.Peer.OnMessage(func(from libpeer.ID, payload []byte) {
			if e.hears(from) {
				s.paths.Announced(from, payload)
			}
		})
	})
}

func (e *Ear) hears(from libpeer.ID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.heard == nil {
		e.heard = map[string]int{}
	}
	e.heard[from.String()]++
	if e.Lose.Load() {
		e.Lost.Add(1)
		return false
	}
	return true
}

// Heard counts the announcements of one author that pubsub let through.
func (e *Ear) Heard(peerID string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[peerID]
}

// Mute opens a driver that never answers what members ask about blobs while On is set when it
// opens. Paths are told as ever.
type Mute struct{ On atomic.Bool }

// Open is New but for that.
func (m *Mute) Open(ctx context.Context, p Parameters) (*Driver, error) {
	return openWith(ctx, p, func(s *store) {
		if m.On.Load() {
			s.engine.Peer.Handle(wire.Protocol, func(asked network.Stream) { _, _ = io.Copy(io.Discard, asked) })
		}
	})
}

// Logged opens a driver that also tells a hook what it logs from its start on.
func Logged(hook logrus.Hook) func(context.Context, Parameters) (*Driver, error) {
	return func(ctx context.Context, p Parameters) (*Driver, error) {
		return openWith(ctx, p, func(s *store) { s.log.Logger.AddHook(hook) })
	}
}

// openWith is New with a step between opening and starting.
func openWith(ctx context.Context, p Parameters, step func(*store)) (*Driver, error) {
	s, err := open(ctx, p)
	if err == nil {
		step(s)
		err = s.start()
	}
	if err != nil {
		return nil, fmt.Errorf("ipfs: %w", err)
	}
	return s.driver(), nil
}

// Collecting opens a driver that collects garbage more often than may be configured.
func Collecting(every time.Duration) func(context.Context, Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) { cfg.GCInterval = every })
}

// Scrubbing opens a driver that reads all its blobs more often than may be configured.
func Scrubbing(interval time.Duration) func(context.Context, Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) { cfg.ScrubInterval = interval })
}

// Surveying opens a driver that asks for copies more often than may be configured, however long it
// takes to ask.
func Surveying(least time.Duration) func(context.Context, Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) { cfg.SurveyLeast, cfg.SurveyRest = least, 1 })
}

// Unsigned opens a driver that signs nothing, as one of an earlier release.
func Unsigned(ctx context.Context, p Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) { cfg.Unsigned, cfg.EnrollAfter = true, time.Millisecond })(ctx, p)
}

// Enrolling opens a driver that is in the swarm's list of members sooner than the others.
func Enrolling(after time.Duration) func(context.Context, Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) { cfg.EnrollAfter = after })
}

// Compacting opens a driver that is soon in the list of members, keeps few changes, and looks all the time whether there are more.
func Compacting(keep int, every time.Duration) func(context.Context, Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) {
		cfg.KeepChanges, cfg.CompactEvery, cfg.EnrollAfter = keep, every, time.Millisecond
	})
}

// Hedging opens a driver that waits for so long for a word of a member that is to acknowledge,
// until it asks one more.
func Hedging(after time.Duration) func(context.Context, Parameters) (*Driver, error) {
	return configured(func(cfg *engine.Config) { cfg.AckHedge = after })
}

func configured(change func(*engine.Config)) func(context.Context, Parameters) (*Driver, error) {
	return func(ctx context.Context, p Parameters) (*Driver, error) {
		cfg, manifests := p.config(), newManifestFetcher()
		change(&cfg)
		e, err := engine.Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		s := newStore(e, p)
		s.manifests = manifests
		return s.driver(), s.start()
	}
}

// HashSetting is the hash function in the map; empty: none.
func (d *Driver) HashSetting() string {
	value, _ := d.store.paths.View().Setting("hash")
	return value
}

// UseHash has the swarm go over to a hash function that it has none of yet.
func (d *Driver) UseHash(name string) {
	if err := d.store.paths.Settle(context.Background(), "hash", name); err != nil {
		panic(err)
	}
}

// WaitingRequests counts the requests whose waits are remembered.
func (d *Driver) WaitingRequests() int {
	d.store.waits.mu.Lock()
	defer d.store.waits.mu.Unlock()
	return len(d.store.waits.until)
}

// RequestsUnderWay counts the requests of which something is remembered.
func (d *Driver) RequestsUnderWay() int {
	d.store.requests.mu.Lock()
	defer d.store.requests.mu.Unlock()
	return len(d.store.requests.of)
}

// Compare has the map compare itself with a member, as when that appears.
func (d *Driver) Compare(peerID string) {
	id, err := libpeer.Decode(peerID)
	if err != nil {
		panic(err)
	}
	d.store.paths.Joined(id)
}

// PutEntry writes an entry as it is, true or not.
func (d *Driver) PutEntry(path string, c cid.Cid, size int64) error {
	return d.store.paths.Put(context.Background(), path, pathmap.Entry{CID: c, Size: size, ModTime: time.Now()})
}

// PutForged makes a registry hold and serve a blob whose inner blocks were forged; the
// first is the root. They go where package blob keeps such blocks.
func (d *Driver) PutForged(content []byte, inner ...blocks.Block) error {
	root := inner[0].Cid()
	for _, b := range inner {
		key := ds.RawKey("/blob/inner/" + dshelp.MultihashToDsKey(b.Cid().Hash()).String()[1:] + "/" + root.String())
		if err := d.store.engine.Store.Put(context.Background(), key, b.RawData()); err != nil {
			return err
		}
	}
	size := binary.AppendUvarint(nil, uint64(len(content)))
	if err := d.store.engine.Store.Put(context.Background(), ds.RawKey("/blob/root/"+root.String()), size); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.store.engine.DataPath(), "blobs", root.String()), content, 0o600)
}

// DeleteUnused deletes the bytes of a path unless an entry leads to them, as a collector does.
// It reports whether they went.
func (d *Driver) DeleteUnused(c cid.Cid) (bool, error) {
	err := d.store.blobs.DeleteUnused(context.Background(), c, d.store.names)
	if errors.Is(err, blob.ErrPinned) || errors.Is(err, blob.ErrUsed) {
		return false, nil
	}
	return err == nil, err
}

// Return writes anew what a forgotten registry relies on, as it does by itself each minute.
func (d *Driver) Return(ctx context.Context) error { return d.store.engine.Garbage.Return(ctx) }

// ExpireStrangers forgets writers that were not met, at a moment of running time.
func (d *Driver) ExpireStrangers(ctx context.Context, ran time.Duration) error {
	return d.store.engine.Garbage.ExpireStrangers(ctx, lease.Moment(0).Add(ran))
}

// Unheard are the records of registries that were not waited for.
func (d *Driver) Unheard() map[string]uint64 { return d.store.paths.View().Unheard() }

// Pin keeps the bytes of c as a push does.
func (d *Driver) Pin(c cid.Cid) (unpin func()) { return d.store.blobs.Pin(c) }

// CIDOf is the root that an entry names.
func (d *Driver) CIDOf(path string) (cid.Cid, error) {
	e, err := d.store.paths.View().Get(path)
	return e.CID, err
}

// FirstByte is what the driver reads of a Range header.
var FirstByte = firstByte

// Deltas counts the deltas that are merged here.
func (d *Driver) Deltas() int {
	res, err := d.store.engine.Store.Query(context.Background(), query.Query{Prefix: "/paths/known", KeysOnly: true})
	if err != nil {
		panic(err)
	}
	all, err := res.Rest()
	if err != nil {
		panic(err)
	}
	return len(all)
}

// WriterOf is the writer of the newest version of a path.
func (d *Driver) WriterOf(path string) string { return d.store.paths.View().Writer(path) }

// Blob is the CID at a path, and whether its bytes are here.
func (d *Driver) Blob(path string) (c cid.Cid, here bool) {
	e, err := d.store.paths.View().Get(path)
	return e.CID, err == nil && d.store.blobs.Has(e.CID)
}

// Keepers is among how many registries blobs are placed: none while something holds that up, or
// while a registry that keeps copies does not know the others for long enough to say what is its own.
func (d *Driver) Keepers() int {
	k := d.store.engine.Copies.State()
	if k.Hold != place.NoHold || k.Copies > 0 && !k.Settled {
		return 0
	}
	return k.Known
}

// CopiesAt is what a registry says it has of the blobs at some paths; of this one, if it is its own.
func (d *Driver) CopiesAt(ctx context.Context, peerID string, paths ...string) ([]replica.Copy, error) {
	cids := make([]cid.Cid, len(paths))
	for i, path := range paths {
		cids[i], _ = d.Blob(path)
	}
	id, err := libpeer.Decode(peerID)
	switch {
	case err != nil:
		return nil, err
	case peerID == d.store.engine.Self():
		return d.store.engine.Copies.Have(cids)
	}
	return d.store.engine.Copies.Ask(ctx, id, cids)
}

// GiveUp gives up the copy of a path's blob, if others keep it.
func (d *Driver) GiveUp(ctx context.Context, path string) error {
	c, _ := d.Blob(path)
	return d.store.engine.Copies.GiveUp(ctx, c, func() error { return d.store.blobs.Delete(ctx, c) })
}

// Errors of GiveUp.
var (
	ErrKeeper    = replica.ErrKeeper
	ErrFewCopies = replica.ErrFewCopies
)

// Evict has all leave the cache that may.
func (d *Driver) Evict(ctx context.Context) {
	e := d.store.engine
	c := sweep.NewCache(sweep.CacheConfig{
		Blobs: e.Blobs, Bytes: e.Bytes, Map: e.Paths.View, Limit: 0, MinFree: func() int64 { return 0 },
		Keeps: e.Copies.Keeps, Members: func() int { return 0 }, GiveUp: e.Copies.GiveUp, Log: e.Log,
	})
	c.Start()
	defer c.Close()
	c.MakeRoom(ctx, 0, func() bool { return false })
}

// GiveUpAfter gives up the copy of a blob, as if others had answered that they keep it, once f
// has returned.
func (d *Driver) GiveUpAfter(ctx context.Context, path string, f func()) error {
	c, _ := d.Blob(path)
	return d.store.engine.Bytes.GiveUp(ctx, c, func(remove func() error) error { f(); return remove() })
}

// RetakeAtOnce has uploads taken again of which nobody takes any more, with the next bytes that come.
func (d *Driver) RetakeAtOnce() { d.store.growths.pause = 1 }

// Hold has members fetch bytes that have no entry, and hold them until free is called.
func (d *Driver) Hold(content []byte) (c cid.Cid, free func(), err error) {
	ref, unpin, err := d.store.blobs.PutAs(context.Background(), content, 0)
	if err != nil {
		return c, nil, err
	}
	done := d.store.engine.Acks.Ahead(context.Background(), ack.Blob{Ref: ref})
	return ref.CID, func() { done(); unpin() }, nil
}

// HasBytes reports whether a blob is here, with an entry or without.
func (d *Driver) HasBytes(c cid.Cid) bool { return d.store.blobs.Has(c) }

// RefuseLate has a manifest count as one that was written and not acknowledged.
func (d *Driver) RefuseLate(path string) {
	c, _ := d.Blob(path)
	d.store.refusedPushes.add(c)
}

// AskToKeep asks a member whether the blob of a path, and all changes, are on its disk.
func (d *Driver) AskToKeep(ctx context.Context, peerID, path string) error {
	id, err := libpeer.Decode(peerID)
	if err != nil {
		return err
	}
	e, err := d.store.paths.View().Get(path)
	if err != nil {
		return err
	}
	return d.store.transfers.Keep(ctx, id, refOf(e), "", d.store.paths.Heads(), func() {})
}

// WaitedInVain makes a request one that may wait no more, and that got this from asking the members.
func (d *Driver) WaitedInVain(ctx context.Context, late error) {
	key := requestKeyOf(ctx)
	d.store.waits.end(ctx, key, time.Now())
	d.store.waits.asked(key, late)
}

// Routes are what this registry answers its operator.
func (d *Driver) Routes() []admin.Route { return d.store.routes() }

// Untold opens a driver that answers nothing of what members ask about paths.
func Untold(ctx context.Context, p Parameters) (*Driver, error) {
	return openWith(ctx, p, func(s *store) {
		s.engine.Peer.Handle(pathmap.Protocol, func(asked network.Stream) { _, _ = io.Copy(io.Discard, asked) })
	})
}

// Warn has an error logged as the rooms do.
func (d *Driver) Warn(message, cause string) {
	d.store.log.WithField("peer", "x").WithError(errors.New(cause)).Error(message)
}

// MaxReturned is how many refused uploads are remembered.
const MaxReturned = maxReturned

// NewReturned remembers refused uploads.
var NewReturned = newReturned

// Note remembers one.
func (r returned) Note(file string, size int64) { r.note(file, size) }

// Take forgets one.
func (r returned) Take(file string, size int64) (before int64, ok bool) { return r.take(file, size) }

// Labeled are the members that have metrics of their own.
func Labeled(all []Member, most int) []Member { return labeled(all, most) }

// MaxCopies is how many copies one answer tells of.
const MaxCopies = maxCopies

// TooMany says whether there are more blobs than so many registries are asked about at once.
func TooMany(blobs, registries int) error { return tooMany(blobs, registries) }

// LabelNames are the names by which metrics call members.
type LabelNames struct{ names labelNames }

// Of has members called by them.
func (l *LabelNames) Of(now time.Time, members []Member) []Member { return l.names.of(now, members) }

// Len counts the members that have one.
func (l *LabelNames) Len() int { return len(l.names.by) }

// Shared are answers that many wait for.
type Shared[A any] struct{ *shared[A] }

// NewShared makes them; most are found at the same time.
func NewShared[A any](most int) Shared[A] { return Shared[A]{newShared[A](most)} }

// Ask asks for one.
func (s Shared[A]) Ask(ctx context.Context, question string, find func(context.Context) (A, error)) (A, error) {
	return s.ask(ctx, question, find)
}

// Waiting counts who wait for one.
func (s Shared[A]) Waiting(question string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.now[question]; f != nil {
		return f.waiting
	}
	return 0
}

// BackupBetween is Backup with something that happens between the map and the blobs.
func BackupBetween(ctx context.Context, d *Driver, o BackupOptions, between func()) (Backup, error) {
	b := newBackingUp(d.store, o)
	defer b.unpin()
	to, err := backup.Create(o.Dir, b.head.Peer, false)
	if err != nil {
		return Backup{}, err
	}
	b.to = to
	sum, err := b.cut(ctx)
	if err == nil {
		between()
		err = b.write(ctx, sum)
	}
	return b.result, errors.Join(err, to.Close())
}

// DrainUnsaved is why a restart may undo what this registry was last told about draining.
func (d *Driver) DrainUnsaved() error { return d.store.engine.DrainUnsaved() }
