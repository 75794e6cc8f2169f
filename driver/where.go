package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	maxWhere  = 10_000           // blobs of one image
	maxCopies = 250_000          // of one answer, on all registries: some 60 MB while it is written
	whereTime = 40 * time.Second // for the whole answer; the client waits for a minute
)

// Where says which registries have what of an image, or of a blob.
type Where struct {
	Of      string        `json:"of"`      // as it was asked for
	Members []WhereMember `json:"members"` // this registry first, then the others by peer ID
	Blobs   []WhereBlob   `json:"blobs"`   // the manifest first, then what it names, in its order; each once
}

// WhereMember is a registry that was asked, or could not be.
type WhereMember struct {
	PeerID  string `json:"peer_id"`
	Name    string `json:"name"`    // "" when it is not known
	Trouble string `json:"trouble"` // why its copies are not known, and not counted; "": they are
}

// WhereBlob is a blob of the image.
type WhereBlob struct {
	Kind   string      `json:"kind"`   // manifest, index, config, layer, other (named by a manifest in another way) or blob
	Digest string      `json:"digest"` // sha256:…
	CID    string      `json:"cid"`    // "": there is no entry of that digest
	Size   int64       `json:"size"`   // bytes
	Inline bool        `json:"inline"` // it is part of its entry, and so on all registries
	Copies []WhereCopy `json:"copies"` // in the order of Members, without those that have nothing
}

// WhereCopy is what a registry has of a blob.
type WhereCopy struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Whole  bool   `json:"whole"`
	Kept   bool   `json:"kept"`  // whole, and the registry is one of its keepers; else it is cache
	Bytes  int64  `json:"bytes"` // of the blob that are there
}

// Whole counts the registries that have all of the blob.
func (b WhereBlob) Whole() (n int) {
	for _, c := range b.Copies {
		if c.Whole {
			n++
		}
	}
	return n
}

// Nowhere counts the blobs that no registry that answered has whole.
func (w Where) Nowhere() (n int) {
	for _, b := range w.Blobs {
		if !b.Inline && b.Whole() == 0 {
			n++
		}
	}
	return n
}

// Where asks all members which of them have the blobs of an image (repository:tag or
// repository@digest) or the blob, manifest or index of a digest, of which the first 12 digits are
// enough where no other begins with them. Members that are away or do not
// answer are named, and their copies are not counted. Who asks for the same meanwhile shares the
// answer, which is not to be changed.
func (d *Driver) Where(ctx context.Context, of string) (Where, error) { return d.store.where(ctx, of) }

func (s *store) where(ctx context.Context, of string) (Where, error) {
	return s.wheres.ask(ctx, of, func(ctx context.Context) (Where, error) { return s.askWhere(ctx, of) })
}

func (s *store) askWhere(ctx context.Context, of string) (Where, error) {
	ctx, cancel := context.WithTimeout(ctx, whereTime)
	defer cancel()
	w := &whereabouts{s: s, seen: map[digest.Digest]bool{}, registries: 1 + len(s.members()), answer: Where{Of: of, Blobs: []WhereBlob{}}}
	d, kind, err := s.meant(ctx, of)
	if err != nil {
		return Where{}, err
	}
	if err := w.gather(ctx, d, kind, 0); err != nil {
		return Where{}, err
	}
	w.ask(ctx)
	return w.answer, nil
}

// whereabouts is one answer in the making.
type whereabouts struct {
	s          *store
	seen       map[digest.Digest]bool
	registries int       // that are asked
	cids       []cid.Cid // those of the blobs that are asked about
	at         []int     // which of the answer's blobs they are
	answer     Where
}

// tooMany says that there are more blobs than so many registries are asked about at once, if so. Each
// registry may have each blob, and all that is in one answer.
func tooMany(blobs, registries int) error {
	if most := min(maxWhere, maxCopies/registries); blobs > most {
		return admin.Invalid(fmt.Errorf("more than %d blobs, which is too much to ask %d registries about: name a part of it, such as the manifest of one platform, by its digest", most, registries))
	}
	return nil
}

// gather adds a blob and, when it is a manifest, all that it names.
func (w *whereabouts) gather(ctx context.Context, d digest.Digest, kind string, depth int) error {
	if err := d.Validate(); err != nil {
		return admin.Invalid(fmt.Errorf("digest %q: %w", d, err))
	}
	if w.seen[d] {
		return nil
	}
	w.seen[d] = true
	if err := tooMany(len(w.answer.Blobs)+1, w.registries); err != nil {
		return err
	}
	e, err := w.s.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	if depth == 0 && errors.Is(err, pathmap.ErrNotFound) {
		return admin.NotFound(fmt.Errorf("%s: this registry does not know it", d))
	}
	at := len(w.answer.Blobs)
	w.answer.Blobs = append(w.answer.Blobs, WhereBlob{Kind: kind, Digest: d.String(), Copies: []WhereCopy{}})
	if err != nil {
		return nil
	}
	b := &w.answer.Blobs[at]
	b.CID, b.Size = e.CID.String(), e.Size
	if _, b.Inline = dag.InlineBytes(e.CID); !b.Inline {
		w.cids, w.at = append(w.cids, e.CID), append(w.at, at)
	}
	if kind == "manifest" || kind == "blob" && w.s.blobs.Has(e.CID) { // no layer is fetched for this
		return w.named(ctx, e, at, depth)
	}
	return nil
}

// named adds what a manifest names. One that nobody can send, or that is none, names nothing.
func (w *whereabouts) named(ctx context.Context, e pathmap.Entry, at, depth int) error {
	if e.Size > smallBlob || depth > maxIndexDepth {
		return nil
	}
	m, err := w.s.readManifest(ctx, e)
	if err != nil {
		return ctx.Err()
	}
	if len(m.Manifests) > 0 {
		w.answer.Blobs[at].Kind = "index"
	} else if m.Config != "" || len(m.Layers) > 0 {
		w.answer.Blobs[at].Kind = "manifest"
	}
	for _, part := range []struct {
		kind string
		of   []digest.Digest
	}{{"config", []digest.Digest{m.Config}}, {"layer", m.Layers}, {"manifest", m.Manifests}, {"other", m.Others}} {
		for _, d := range part.of {
			if d == "" || d.Validate() != nil {
				continue // an index has no config
			}
			if err := w.gather(ctx, d, part.kind, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks all members at once.
func (w *whereabouts) ask(ctx context.Context) {
	for _, m := range w.s.engine.AskCopies(ctx, w.cids) {
		of := WhereMember{PeerID: m.PeerID, Name: m.Name}
		if m.Err != nil {
			of.Trouble = m.Err.Error()
		}
		w.answer.Members = append(w.answer.Members, of)
		for i, c := range m.Copies {
			w.note(&w.answer.Blobs[w.at[i]], m, c)
		}
	}
}

func (w *whereabouts) note(b *WhereBlob, m engine.MemberCopies, c engine.Copy) {
	if of, ok := copyOf(b.Size, m, c); ok {
		b.Copies = append(b.Copies, of)
	}
}
