package driver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// ExportOptions say what is exported, and where to.
type ExportOptions struct {
	Dir          string   `json:"dir"`          // an absolute path: the rootdirectory of distribution's filesystem driver, or the image layout
	OCI          bool     `json:"oci"`          // as an OCI image layout
	Repositories []string `json:"repositories"` // these, and those below them; none: all
	DryRun       bool     `json:"dry_run"`      // only say what would be exported
}

// Export is what was exported, or in a dry run what would be.
type Export struct {
	Dir          string     `json:"dir"`
	OCI          bool       `json:"oci"`
	DryRun       bool       `json:"dry_run"`
	Running      bool       `json:"running"`      // it runs, and has a network: others could be asked
	Repositories int        `json:"repositories"` // that were looked at
	Written      BlobAmount `json:"written"`      // blobs and manifests
	Shared       BlobAmount `json:"shared"`       // of these, those that share their bytes with the registry's files
	There        BlobAmount `json:"there"`        // those that were there already
	Links        int        `json:"links"`        // links of layers, manifests and tags that were written; of an image layout none

	Tags     int `json:"tags"`     // of an image layout: named in its index
	Untagged int `json:"untagged"` // likewise manifests that no tag leads to: named by their digests
	Dangling int `json:"dangling"` // of an image layout: what manifests name and their repository does not have

	Faults     []ExportFault `json:"faults"`      // the first that could not be exported
	FaultCount int           `json:"fault_count"` // how many there are
}

// ExportFault is something that could not be exported.
type ExportFault struct {
	Path   string `json:"path"`   // of the link that leads to it, as distribution has it
	Digest string `json:"digest"` // "": that is not known
	Reason string `json:"reason"`
}

// ExportProgress is how far an export is.
type ExportProgress struct {
	Paths   int   `json:"paths"`    // links that were looked at
	Of      int   `json:"of"`       // links to look at
	Blobs   int   `json:"blobs"`    // that are there now
	OfBlobs int   `json:"of_blobs"` // to be there in the end
	Bytes   int64 `json:"bytes"`    // of these, also of those that are being written
	OfBytes int64 `json:"of_bytes"`
	Faults  int   `json:"faults"`
}

// Export writes the images of this moment for other programs: as distribution's filesystem driver keeps
// them, so that a registry with that driver serves them, or as an OCI image layout. Bytes that are not
// here come from members. Each file gets
// its name when it is whole; what is there already is not written again, so an export that was
// interrupted is done again at little cost, and so is one of what has come since. Nothing is removed.
//
// The index of a layout is written last. It names each tag repository:tag, and each manifest that no
// tag leads to repository@digest: also those that refer to others. It names no image that is there in part.
//
// An error means that the export ended early; what was exported stays. progress is called about
// once a second, from one goroutine at a time.
func (d *Driver) Export(ctx context.Context, o ExportOptions, progress func(ExportProgress)) (Export, error) {
	return d.store.exportTree(ctx, o, progress)
}

// Export has the registry export its images, as Driver.Export does, to a path that it can write. It
// is like Verify otherwise.
func (c *Client) Export(ctx context.Context, o ExportOptions, progress func(ExportProgress)) (Export, error) {
	return followWith[Export](ctx, c, "/v1/export", o, progress)
}

func (s *store) exportRoute() admin.Route {
	return optioned("/v1/export", "Write images as distribution's filesystem driver keeps them, or as an OCI image layout.", "what, and where to", s.exportTree)
}

func (s *store) exportTree(ctx context.Context, o ExportOptions, progress func(ExportProgress)) (result Export, err error) {
	if !filepath.IsAbs(o.Dir) {
		return Export{}, fmt.Errorf("export: %q is no absolute path", o.Dir)
	}
	if err := s.engine.CheckElsewhere(o.Dir); err != nil {
		return Export{}, fmt.Errorf("export: %w", err)
	}
	if !s.engine.Offline() {
		if err := s.awaitJoined(ctx); err != nil { // or the map has only a part
			return Export{}, fmt.Errorf("export: %w", err)
		}
	}
	ex := newExporting(s, o)
	as, err := ex.open()
	if err != nil {
		return Export{}, fmt.Errorf("export: %w", err)
	}
	err = reported(ex.progress, progress, func() error { return ex.run(ctx, as) })
	err = stillToCome(err, ex.progress().Bytes, ex.progress().OfBytes)
	if err = errors.Join(err, ex.to.Close()); err != nil {
		err = fmt.Errorf("export: %w", err)
	}
	return ex.result, err
}

// ExportStopped is Export for a registry that is not running, on these parameters. It asks no
// member, so it exports only what is on its disk. It fails with ErrInUse while the registry runs:
// use Client.Export then.
func ExportStopped(ctx context.Context, p Parameters, o ExportOptions, progress func(ExportProgress)) (Export, error) {
	return onStopped(ctx, p, func(s *store) (Export, error) { return s.exportTree(ctx, o, progress) })
}
