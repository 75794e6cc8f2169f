package driver

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// PeerList is a list of peers by which a registry goes: of those that it trusts, or of those that it lets
// in.
type PeerList struct {
	Key     string    `json:"key"`     // of the configuration: trustedpeers, trustedpeersfile, allowedpeers or allowedpeersfile
	Path    string    `json:"path"`    // of the file; "": the configuration itself has the list
	All     bool      `json:"all"`     // it names everybody
	Peers   int       `json:"peers"`   // that it names
	Since   time.Time `json:"since"`   // when it was taken
	Trouble string    `json:"trouble"` // why the file has no list now: the last good one stays; "": it has one
}

func (s *store) peerLists() []PeerList {
	all := []PeerList{}
	for _, l := range s.engine.PeerLists() {
		all = append(all, PeerList(l))
	}
	return all
}

// FollowsPeerLists reports whether trustedpeersfile or allowedpeersfile names a file, which is read again
// when it changes.
func (d *Driver) FollowsPeerLists() bool { return d.store.engine.FollowsLists() }

// ReadPeerLists reads these files now, and returns when what they say holds. It is not to be called
// once Close is.
func (d *Driver) ReadPeerLists() { d.store.engine.ReadLists() }

// PeerListFile is a file that the parameters name for a list of peers.
type PeerListFile struct {
	Name    string // of the parameter
	Path    string
	Trouble error // why the registry will not start with it; nil: it will
}

// PeerListFiles are those of these parameters, whether a registry runs on them or not.
func PeerListFiles(p Parameters) (files []PeerListFile) {
	for _, f := range engine.ListFiles(p.config()) {
		files = append(files, PeerListFile(f))
	}
	return files
}

// Trusts reports whether the lists of these parameters trust a registry; an error when a file cannot be
// read.
func (p Parameters) Trusts(peerID string) (bool, error) { return engine.ListsTrust(p.config(), peerID) }
