package driver

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/summary"
)

// Bounds on what a status says of damaged blobs, and on the time that it takes to find out.
const (
	maxDamage     = 100 // blobs
	maxNeeding    = 10  // images of each
	searchTime    = time.Second
	searchPart    = 10 // of the time at most one part in so many is spent on searching
	maxSearchRead = 1000
)

// Damage is a blob whose file here is damaged, or lost, and which nobody could mend yet.
type Damage struct {
	CID    string `json:"cid"`
	Digest string `json:"digest"` // of its path; "": no entry names it
	Size   int64  `json:"size"`   // bytes
	// Images need it: repository:tag, or the repository alone where only manifests without a tag
	// do; at most ten.
	Images []string `json:"images"`
	More   bool     `json:"more"` // there may be others: there are more, or the search was cut short
}

// damages keeps what a search found, for those who ask often.
type damages struct {
	mu    sync.Mutex
	cids  []cid.Cid
	state string // the map's digest
	found []Damage
	after time.Time // not searched again before
}

// damage lists the first damaged blobs, and which images need them.
func (s *store) damage() []Damage { return s.damages.of(s, s.blobs.Rotten()) }

// onlyHere names some images of which this disk alone has a blob, as the last survey found.
func (s *store) onlyHere() (images []string) {
	found, ok := s.engine.Surveyed()
	if !ok {
		return nil
	}
	for _, d := range s.alone.of(s, found.Alone) {
		for _, image := range d.Images {
			if len(images) < summary.MaxImages && !slices.Contains(images, image) {
				images = append(images, image)
			}
		}
	}
	return images
}

// of lists the first of some blobs, and which images need them. Nothing is searched when there are
// none.
func (m *damages) of(s *store, refs []dag.Ref) []Damage {
	if len(refs) == 0 {
		return []Damage{}
	}
	refs = refs[:min(len(refs), maxDamage)]
	m.mu.Lock()
	defer m.mu.Unlock()
	view := s.paths.View()
	cids := make([]cid.Cid, len(refs))
	for i, ref := range refs {
		cids[i] = ref.CID
	}
	same := slices.Equal(cids, m.cids)
	if same && (m.state == view.Digest() || time.Now().Before(m.after)) {
		return slices.Clone(m.found)
	}
	began := time.Now()
	found := newSearch(s, view, refs, began.Add(searchTime)).run()
	m.cids, m.state, m.found, m.after = cids, view.Digest(), found, time.Now().Add(searchPart*time.Since(began))
	return slices.Clone(found)
}

// search finds the images that need some blobs.
type search struct {
	s      *store
	view   pathmap.View
	until  time.Time
	found  []Damage
	wanted map[digest.Digest]*Damage
	reads  int
}

func newSearch(s *store, view pathmap.View, refs []dag.Ref, until time.Time) *search {
	f := &search{s: s, view: view, until: until, wanted: map[digest.Digest]*Damage{}}
	for _, ref := range refs {
		f.found = append(f.found, Damage{CID: ref.CID.String(), Size: ref.Size, Images: []string{}})
	}
	f.digests(refs)
	return f
}

// digests finds the paths of the blobs. That of a blob of one leaf usually follows from its CID.
func (f *search) digests(refs []dag.Ref) {
	open := map[cid.Cid]*Damage{}
	for i, ref := range refs {
		if d, ok := f.guess(ref.CID); ok {
			f.want(d, &f.found[i])
		} else {
			open[ref.CID] = &f.found[i]
		}
	}
	if len(open) == 0 {
		return
	}
	f.view.Under(ocipath.Root+"/blobs", func(path string, e pathmap.Entry) bool {
		if of := open[e.CID]; of != nil {
			if d, ok := digestOf(path); ok {
				f.want(d, of)
				delete(open, e.CID)
			}
		}
		return len(open) > 0
	})
}

func (f *search) want(d digest.Digest, of *Damage) {
	of.Digest = d.String()
	f.wanted[d] = of
}

func (f *search) guess(c cid.Cid) (digest.Digest, bool) {
	hash, err := multihash.Decode(c.Hash())
	if err != nil || hash.Code != multihash.SHA2_256 || c.Type() != cid.Raw {
		return "", false
	}
	d := digest.NewDigestFromBytes(digest.SHA256, hash.Digest)
	e, err := f.view.Get(ocipath.BlobData(ocipath.Root, d))
	return d, err == nil && e.CID.Equals(c)
}

// run looks at all repositories, and reads the manifests of those that have a link to one of the
// blobs.
func (f *search) run() []Damage {
	if len(f.wanted) == 0 {
		return f.found
	}
	after := ocipath.Repositories
	for path, ok := f.view.Next(after, true); ok; path, ok = f.view.Next(after, false) {
		rest, below := strings.CutPrefix(path, ocipath.Repositories+"/")
		if !below {
			break
		}
		if f.late() {
			f.cut()
			break
		}
		name, part := splitRepository(rest)
		after = ocipath.Repositories + "/" + name + "/" + part
		if part == "_manifests" {
			f.repository(name)
		}
	}
	return f.found
}

func (f *search) late() bool { return f.reads >= maxSearchRead || time.Now().After(f.until) }

// cut notes that the search ends early.
func (f *search) cut() {
	for i := range f.found {
		f.found[i].More = true
	}
}

// repository looks for a repository's links to the blobs, and then for the tags that need them.
func (f *search) repository(name string) {
	linked := map[digest.Digest]*Damage{}
	for d, of := range f.wanted {
		if f.has(ocipath.LayerLink(ocipath.Repository(name), d)) || f.has(ocipath.RevisionLink(ocipath.Repository(name), d)) {
			linked[d] = of
		}
	}
	if len(linked) == 0 {
		return
	}
	tagged := map[*Damage]bool{}
	f.view.Children(ocipath.Tags(ocipath.Repository(name)), "", func(c pathmap.Child) bool {
		tag := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
		e, err := f.view.Get(ocipath.CurrentLink(ocipath.Repository(name), tag))
		content, inline := dag.InlineBytes(e.CID)
		if err != nil || !inline {
			return true
		}
		f.needs(digest.Digest(content), linked, 0, func(of *Damage) {
			tagged[of] = true
			of.add(name + ":" + tag)
		})
		return !f.late()
	})
	for _, of := range linked {
		if !tagged[of] {
			of.add(name)
		}
	}
}

func (f *search) has(path string) bool {
	_, err := f.view.Get(path)
	return err == nil
}

func (d *Damage) add(image string) {
	switch {
	case slices.Contains(d.Images, image):
	case len(d.Images) == maxNeeding:
		d.More = true
	default:
		d.Images = append(d.Images, image)
	}
}

// needs tells which of the blobs a manifest is or names, and those below an index. It reads only
// what is here.
func (f *search) needs(d digest.Digest, linked map[digest.Digest]*Damage, depth int, tell func(*Damage)) {
	if of := linked[d]; of != nil {
		tell(of)
	}
	m, ok := f.read(d)
	if !ok {
		return
	}
	for named := range m.Names() {
		if of := linked[named]; of != nil {
			tell(of)
		}
	}
	for _, child := range m.Manifests {
		if depth < maxIndexDepth && !f.late() {
			f.needs(child, linked, depth+1, tell)
		}
	}
}

func (f *search) read(d digest.Digest) (m manifest.Manifest, ok bool) {
	f.reads++
	if d.Validate() != nil {
		return m, false
	}
	e, err := f.view.Get(ocipath.BlobData(ocipath.Root, d))
	if err != nil || e.Size > smallBlob {
		return m, false
	}
	r, err := f.s.blobs.Reader(context.Background(), refOf(e), 0)
	if err != nil {
		return m, false
	}
	content, err := io.ReadAll(io.LimitReader(r, smallBlob))
	if errors.Join(err, r.Close()) != nil {
		return m, false
	}
	m, err = manifest.Parse(content)
	return m, err == nil
}
