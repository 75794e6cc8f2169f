package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peerlist"
)

// lookEvery is the time between two looks at a file with a list. What is new counts at the second look
// that finds it, and so in some 6 s.
const lookEvery = 3 * time.Second

// PeerList is a list of peers in use.
type PeerList struct {
	Key     string    // of the configuration: trustedpeers, allowedpeers, trustedpeersfile, allowedpeersfile
	Path    string    // of the file; "": the configuration itself has the list
	All     bool      // it names everybody
	Peers   int       // that it names
	Since   time.Time // when it was taken
	Trouble string    // why the file has no list now: the last good one stays; "": it has one
}

// lists are whom this registry trusts and lets in. Those in files are followed.
type lists struct {
	looking sync.Mutex // held from a look at the files until what they say holds

	mu               sync.Mutex
	trusted, allowed *following

	stop context.CancelFunc // nil: no file is followed
	done chan struct{}
}

// following is one list.
type following struct {
	key     string
	file    *peerlist.File // nil: the configuration has it
	list    peerlist.List
	since   time.Time
	trouble string
}

// lists reads both for the first time.
func (c Config) lists() (*lists, error) {
	trusted, err := follow("trustedpeers", c.TrustedPeers, c.TrustedPeersFile)
	if err != nil {
		return nil, err
	}
	allowed, err := follow("allowedpeers", c.AllowedPeers, c.AllowedPeersFile)
	if err != nil {
		return nil, err
	}
	return &lists{trusted: trusted, allowed: allowed}, nil
}

func follow(key string, texts []string, path string) (f *following, err error) {
	f = &following{key: key, since: time.Now()}
	if path == "" {
		f.list, err = peerlist.Of(texts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		return f, nil
	}
	f.key, f.file = key+"file", peerlist.Follow(path)
	if f.list, _, err = f.file.Look(true); err != nil {
		return nil, fmt.Errorf("%s %s: %w", f.key, path, err)
	}
	return f, nil
}

// peers are the lists as the swarm takes them.
func (l *lists) peers() peer.Lists {
	l.mu.Lock()
	defer l.mu.Unlock()
	return peer.Lists{Trusted: l.trusted.ids(), Allowed: l.allowed.ids()}
}

func (f *following) ids() []libpeer.ID {
	if f.list.All {
		return nil
	}
	return f.list.IDs
}

func (l *lists) both() []*following { return []*following{l.trusted, l.allowed} }

// startLists looks at the files from time to time, until stopLists.
func (e *Engine) startLists() {
	if !e.FollowsLists() {
		return
	}
	l := e.lists
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				e.readLists(false)
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (e *Engine) stopLists() {
	if e.lists != nil && e.lists.stop != nil {
		e.lists.stop()
		<-e.lists.done
	}
}

// FollowsLists reports whether there is a file with a list of peers to be read again.
func (e *Engine) FollowsLists() bool {
	return e.lists != nil && (e.lists.trusted.file != nil || e.lists.allowed.file != nil)
}

// ReadLists reads the files with lists of peers now, and returns when what they say holds. It is not to
// be called once Close is.
func (e *Engine) ReadLists() {
	if e.FollowsLists() {
		e.readLists(true)
	}
}

func (e *Engine) readLists(atOnce bool) {
	e.lists.looking.Lock()
	defer e.lists.looking.Unlock()
	news := false
	for _, f := range e.lists.both() {
		news = e.look(f, atOnce) || news
	}
	if !news {
		return
	}
	e.relist(func() { e.Peer.SetLists(e.lists.peers()) })
}

// relist has a change of whom this registry trusts mean what it does for all else. looking is held.
func (e *Engine) relist(change func()) {
	was, writers := e.ReadOnly(), e.trustedWriters()
	change()
	e.Copies.Appeared() // the members that are to keep blobs are others
	for _, id := range writers {
		if !e.Peer.Trusts(id) {
			e.stopWaiting(id)
		}
	}
	switch is := e.ReadOnly(); {
	case is && !was:
		e.warnReadOnly()
	case was && !is:
		e.Log.Info("this registry is in its own trustedpeers now: it takes pushes and deletes")
	}
}

// trustedWriters are those who once wrote to the map, and are trusted. Collections of garbage wait for
// whoever wrote, and for nobody whom the operator takes off the list.
func (e *Engine) trustedWriters() (ids []libpeer.ID) {
	for writer := range e.Paths.Writers() {
		if id, err := libpeer.Decode(writer); err == nil && e.Peer.Trusts(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (e *Engine) warnReadOnly() {
	if e.Peer.Revoked(e.self) {
		e.Log.Warn("this registry was revoked: the others refuse it, and it refuses pushes and deletes; give it a new private key to have it join again")
		return
	}
	e.Log.Warn("this registry is not in its own trustedpeers: it serves pulls and refuses pushes and deletes")
}

// look reports whether a file has another list.
func (e *Engine) look(f *following, atOnce bool) (news bool) {
	if f.file == nil {
		return false
	}
	list, settled, err := f.file.Look(atOnce)
	if !settled {
		return false
	}
	e.lists.mu.Lock()
	defer e.lists.mu.Unlock()
	log := e.Log.WithField("key", f.key).WithField("file", f.file.Path())
	if err != nil {
		if trouble := err.Error(); trouble != f.trouble {
			f.trouble = trouble
			log.WithError(err).Error("a list of peers cannot be read: the last good one stays")
		}
		return false
	}
	if f.trouble != "" {
		f.trouble = ""
		log.Info("a list of peers can be read again")
	}
	if list.Equal(f.list) {
		return false
	}
	added, removed := difference(list, f.list), difference(f.list, list)
	f.list, f.since = list, time.Now()
	log.WithField("peers", len(list.IDs)).WithField("added", added).WithField("removed", removed).Info("a list of peers has changed")
	return true
}

// mostNamed are the peers that one line of the log names.
const mostNamed = 20

// difference names the peers that one list has beside another.
func difference(list, than peerlist.List) string {
	var all []string
	if list.All && !than.All {
		all = append(all, "everybody")
	}
	for _, id := range list.IDs {
		if _, in := slices.BinarySearch(than.IDs, id); in {
			continue
		}
		if len(all) == mostNamed {
			all = append(all, "…")
			break
		}
		all = append(all, strings.TrimSpace(id.String()+" "+list.Names[id]))
	}
	return strings.Join(all, ", ")
}

// PeerLists are whom this registry trusts and whom it lets in; none while it is offline.
func (e *Engine) PeerLists() (all []PeerList) {
	if e.lists == nil {
		return nil
	}
	l := e.lists
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.both() {
		of := PeerList{Key: f.key, All: f.list.All, Peers: len(f.list.IDs), Since: f.since, Trouble: f.trouble}
		if f.file != nil {
			of.Path = f.file.Path()
		}
		all = append(all, of)
	}
	return all
}

// ListFile is a file that the configuration names for a list of peers.
type ListFile struct {
	Name    string // of the parameter
	Path    string
	Trouble error // why the registry will not start with it; nil: it will
}

// ListFiles are those of a configuration, whether a registry runs with it or not.
func ListFiles(cfg Config) (files []ListFile) {
	for _, f := range []struct{ name, path string }{{"trustedpeersfile", cfg.TrustedPeersFile}, {"allowedpeersfile", cfg.AllowedPeersFile}} {
		if f.path != "" {
			_, err := peerlist.Read(f.path)
			files = append(files, ListFile{f.name, f.path, err})
		}
	}
	return files
}

// ListsTrust reports whether the lists of a configuration trust a peer.
func ListsTrust(cfg Config, peerID string) (bool, error) {
	l, err := cfg.lists()
	if err != nil {
		return false, err
	}
	id, err := libpeer.Decode(peerID)
	return err == nil && (l.trusted.list.All || slices.Contains(l.trusted.list.IDs, id)), err
}
