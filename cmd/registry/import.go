package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// mostFaults are printed without --json.
const mostFaults = 50

func importCommand() *cobra.Command {
	var asJSON bool
	var o driver.ImportOptions
	var api copyOptions
	cmd := &cobra.Command{
		Use:   "import <config> {<rootdirectory> | --from <url>} [<repository>…]",
		Short: "Take in what another registry keeps on a filesystem, or serves",
		Long: "Take what a registry keeps with distribution's filesystem driver into this swarm: blobs, manifests and\n" +
			"tags as they are, of all repositories, or of those named and all below them. The running registry does\n" +
			"the work, so it must be able to read the directory. The other registry may go on serving, and nothing\n" +
			"of it is changed; a second run takes what has come since. Blobs share their bytes with its files\n" +
			"where the filesystem can do that, are second names of them where it cannot, and else are copied.\n" +
			"A tag that was set here later than there stays. Exits with status 1 when something could not be imported.\n\n" +
			"With --from it is any registry's images that are pulled from it, and pushed to this one: their tags,\n" +
			"with all that these lead to. What is here already is not copied. A tag that leads elsewhere here stays,\n" +
			"unless --replace says otherwise. Credentials for both are those of `docker login`.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if api.from != "" {
				config, rest := configAnd(args)
				return copyFrom(cmd, config, rest, api, o.DryRun, asJSON)
			}
			p, root, repositories, err := readNamed(cmd, args, "the rootdirectory of the other registry's storage, or its address with --from")
			if err != nil {
				return err
			}
			o.Root, o.Repositories = absolute(root), repositories
			if whole, err := filepath.EvalSymlinks(o.Root); err == nil {
				o.Root = whole
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			im, err := askToImport(ctx, cmd, p, o)
			if err != nil {
				return err
			}
			err = printOne(cmd.OutOrStdout(), asJSON, im, printImport)
			if err == nil && im.FaultCount > 0 {
				err = fmt.Errorf("ipfs import: %s could not be imported", counted(im.FaultCount, "link"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be imported")
	cmd.Flags().BoolVar(&o.Copy, "copy", false, "give no file a second name: copy what cannot be shared")
	cmd.Flags().StringVar(&api.from, "from", "", "the registry whose images are copied by its API, as https://<host>[:<port>]; http:// is without TLS")
	cmd.Flags().StringVar(&api.to, "to", "", "with --from: where this registry is reached, likewise; without it as its configuration says")
	cmd.Flags().BoolVar(&api.replace, "replace", false, "with --from: set tags anew that lead elsewhere here")
	cmd.MarkFlagsMutuallyExclusive("from", "copy")
	return cmd
}

func askToImport(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.ImportOptions) (driver.Import, error) {
	show := newMovingShow(cmd.ErrOrStderr())
	im, err := askRunning(ctx, cmd, p, func() (driver.Import, error) {
		return driver.NewClient(p).Import(ctx, o, func(at driver.ImportProgress) { show.tell(importText(at), at.Bytes, at.OfBytes) })
	})
	show.end()
	if err != nil && ctx.Err() != nil {
		return im, fmt.Errorf("ipfs import: interrupted: what was imported stays; run it again to go on")
	}
	return im, err
}

func importText(at driver.ImportProgress) string {
	if at.OfLinks == 0 {
		return "looking at what is there"
	}
	text := fmt.Sprintf("imported %s of %s; looked at %d of %s, %s", bytesText(at.Bytes), blobsText(at.Of, at.OfBytes), at.Links,
		counted(at.OfLinks, "link"), counted(at.Faults, "fault"))
	if at.Waiting != "" {
		text += "; waits: " + printable(at.Waiting)
	}
	return text
}

func printImport(out io.Writer, im driver.Import) error {
	sec := section{title: "IMPORTED  " + printable(im.Root)}
	if im.DryRun {
		sec.title = "TO IMPORT  " + printable(im.Root) + "; nothing was changed"
	}
	sec.field("looked at", "%s; here already: %s", counted(im.Repositories, "repository"), counted(im.Here, "link"))
	blobs := amountText(im.Taken)
	if !im.DryRun {
		blobs += fmt.Sprintf("; shared with its files: %s, second names of them: %s, copied: %s",
			bytesText(im.Cloned.Bytes), bytesText(im.Linked.Bytes), bytesText(im.Copied.Bytes))
	}
	sec.field("blobs", "%s", blobs)
	sec.field("images", "%s, %s", counted(im.Manifests, "manifest"), counted(im.Tags, "tag"))
	if im.Dangling > 0 {
		sec.field("left", "%s to what the other registry has removed", counted(im.Dangling, "link"))
	}
	secs := []section{sec}
	if im.KeptTagCount > 0 {
		secs = append(secs, keptTags(im))
	}
	if im.FaultCount > 0 {
		secs = append(secs, importFaults(im))
	}
	return printSections(out, secs)
}

func keptTags(im driver.Import) section {
	sec := section{title: fmt.Sprintf("KEPT  %s, set here later than there", counted(im.KeptTagCount, "tag"))}
	sec.row("TAG", "HERE", "THERE")
	for _, t := range im.KeptTags[:min(len(im.KeptTags), mostFaults)] {
		sec.row(printable(t.Repository+":"+t.Tag), t.Here, t.There)
	}
	return sec
}

func importFaults(im driver.Import) section {
	sec := section{title: fmt.Sprintf("NOT IMPORTED  %s", counted(im.FaultCount, "link"))}
	sec.row("PATH", "WHY")
	for _, f := range im.Faults[:min(len(im.Faults), mostFaults)] {
		sec.row(printable(f.Path), printable(f.Reason))
	}
	if im.FaultCount > mostFaults {
		sec.row("…", "--json names more")
	}
	return sec
}
