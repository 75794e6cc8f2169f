package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/fsregistry"
)

// ImportOptions say what is imported, and how.
type ImportOptions struct {
	Root         string   `json:"root"`         // rootdirectory of a registry with distribution's filesystem driver: an absolute path
	Repositories []string `json:"repositories"` // these, and those below them; none: all
	Copy         bool     `json:"copy"`         // bytes get no second name: where they cannot be shared they are copied
	DryRun       bool     `json:"dry_run"`      // only say what would be imported
}

// Import is what was imported from another registry, or in a dry run what would be.
type Import struct {
	Root         string `json:"root"`
	DryRun       bool   `json:"dry_run"`
	Repositories int    `json:"repositories"` // that were looked at

	Taken  BlobAmount `json:"taken"`  // blobs and manifests that were not here
	Cloned BlobAmount `json:"cloned"` // of these, those that share their bytes with the file they come from
	Linked BlobAmount `json:"linked"` // of these, those that are a second name of that file
	Copied BlobAmount `json:"copied"` // the others
	Here   int        `json:"here"`   // links that are here already, with what they lead to

	Manifests int `json:"manifests"` // that a repository has got
	Tags      int `json:"tags"`      // that were set
	Dangling  int `json:"dangling"`  // links to layers, and of old tags, to bytes that the other registry has removed

	KeptTags     []KeptTag     `json:"kept_tags"`      // the first tags that stay, because they were set here later
	KeptTagCount int           `json:"kept_tag_count"` // how many there are
	Faults       []ImportFault `json:"faults"`         // the first that could not be imported
	FaultCount   int           `json:"fault_count"`    // how many there are
}

// KeptTag is a tag that leads to another manifest here than there, and was set here later.
type KeptTag struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Here       string `json:"here"`  // digest of the manifest
	There      string `json:"there"` // likewise, in the other registry
}

// ImportFault is something that could not be imported.
type ImportFault struct {
	Path   string `json:"path"`   // in the other registry, as its driver has it
	Digest string `json:"digest"` // to which that leads; "": that is not known
	Reason string `json:"reason"`
}

// ImportProgress is how far an import is.
type ImportProgress struct {
	Blobs   int    `json:"blobs"`    // taken so far
	Of      int    `json:"of"`       // to take, as far as is known now
	Bytes   int64  `json:"bytes"`    // of the blobs taken, and of those that are being read
	OfBytes int64  `json:"of_bytes"` //
	Links   int    `json:"links"`    // that were looked at
	OfLinks int    `json:"of_links"` // 0: they are being counted
	Faults  int    `json:"faults"`
	Waiting string `json:"waiting"` // for what it waits; "": for nothing
}

// MostListed is how many faults, and tags that stay, are named in an answer.
const MostListed = 1000

// listed counts something, and lists it unless the list is full.
func listed[T any](list *[]T, count *int, v T) {
	if *count++; len(*list) < MostListed {
		*list = append(*list, v)
	}
}

// Import takes what another registry keeps with distribution's filesystem driver into this swarm:
// its blobs, manifests and tags as they are. That registry may be running, and its files stay. What is
// here already is not taken again, so an import that was interrupted, or done before, is
// done again at little cost. Each blob's bytes are read once, and those that do not have their digest
// are a fault. A tag that leads elsewhere here stays when it was set here later.
//
// An error means that the import ended early; what was imported stays. progress is called about
// once a second, from one goroutine at a time.
func (d *Driver) Import(ctx context.Context, o ImportOptions, progress func(ImportProgress)) (Import, error) {
	return d.store.importTree(ctx, o, progress)
}

// Import has the registry import what another one keeps, as Driver.Import does, from a path that
// the registry can read. It is like Verify otherwise.
func (c *Client) Import(ctx context.Context, o ImportOptions, progress func(ImportProgress)) (Import, error) {
	return followWith[Import](ctx, c, "/v1/import", o, progress)
}

func (s *store) importRoute() admin.Route {
	return optioned("/v1/import", "Import what another registry keeps with distribution's filesystem driver.", "what, and how", s.importTree)
}

func (s *store) importTree(ctx context.Context, o ImportOptions, progress func(ImportProgress)) (Import, error) {
	if !filepath.IsAbs(o.Root) {
		return Import{}, fmt.Errorf("import: %q is no absolute path", o.Root)
	}
	tree, err := fsregistry.Open(o.Root)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("this registry's user may not read it: %w", err)
	}
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	defer func() { _ = tree.Close() }()
	im := newImporting(s, tree, o)
	err = reported(im.progress, progress, func() error { return im.run(ctx) })
	err = stillToCome(err, im.progress().Bytes, im.progress().OfBytes)
	if err != nil {
		err = fmt.Errorf("import: %w", err)
	}
	return im.result, err
}
