package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func exportCommand() *cobra.Command {
	var asJSON bool
	var o driver.ExportOptions
	cmd := &cobra.Command{
		Use:   "export <config> <directory> [<repository>…]",
		Short: "Write the images as a registry on a filesystem keeps them, or as an OCI image layout",
		Long: "Write the images of this moment, of all repositories, or of those named and all below them, to a directory\n" +
			"that distribution's filesystem driver serves as its rootdirectory, or with --oci that other programs read as an\n" +
			"OCI image layout, in which images are named <repository>:<tag>. The running registry does the work,\n" +
			"and fetches from other members what it does not have; of one that is stopped the command reads the\n" +
			"disk itself. A second run writes what is missing. Exits with status 1 when something could not be exported.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, dir, repositories, err := readNamed(cmd, args, "the directory to write to")
			if err != nil {
				return err
			}
			o.Dir, o.Repositories = absolute(dir), repositories
			ctx, stop := interruptible(cmd)
			defer stop()
			ex, err := export(ctx, cmd, p, o)
			if err != nil {
				return err
			}
			err = printOne(cmd.OutOrStdout(), asJSON, ex, printExport)
			if err == nil && ex.FaultCount > 0 {
				err = fmt.Errorf("ipfs export: %s could not be exported", counted(ex.FaultCount, "link"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.OCI, "oci", false, "as an OCI image layout")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be exported")
	return cmd
}

// export asks the running registry, or reads the datastore of a stopped one.
func export(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.ExportOptions) (driver.Export, error) {
	show := newMovingShow(cmd.ErrOrStderr())
	tell := func(at driver.ExportProgress) { show.tell(exportText(at), at.Bytes, at.OfBytes) }
	ex, err := askOrRead(ctx, cmd, p,
		func() (driver.Export, error) { return driver.NewClient(p).Export(ctx, o, tell) },
		func() (driver.Export, error) { return driver.ExportStopped(ctx, p, o, tell) })
	show.end()
	if err != nil && ctx.Err() != nil {
		return ex, errors.New("ipfs export: interrupted: what was exported stays; run it again to go on")
	}
	return ex, err
}

func exportText(at driver.ExportProgress) string {
	return fmt.Sprintf("exported %s of %s, %d of %s, %s", bytesText(at.Bytes), blobsText(at.OfBlobs, at.OfBytes), at.Paths, counted(at.Of, "link"), counted(at.Faults, "fault"))
}

func printExport(out io.Writer, ex driver.Export) error {
	sec := section{title: "EXPORTED  " + printable(ex.Dir)}
	written := "written"
	if ex.DryRun {
		sec.title, written = "TO EXPORT  "+printable(ex.Dir)+"; nothing was written", "to write"
	}
	if !ex.Running {
		sec.field("registry", "is not running: no other one was asked")
	}
	sec.field("of", "%s", counted(ex.Repositories, "repository"))
	if ex.OCI {
		sec.field(written, "%s", amountText(ex.Written))
	} else {
		sec.field(written, "%s, %s", amountText(ex.Written), counted(ex.Links, "link"))
	}
	if !ex.DryRun {
		sec.field("of these", "shared with the registry's files: %s", bytesText(ex.Shared.Bytes))
	}
	sec.field("there already", "%s", amountText(ex.There))
	if ex.OCI {
		sec.field("in the index", "%s, and %s that no tag leads to", counted(ex.Tags, "tag"), counted(ex.Untagged, "manifest"))
	}
	if ex.Dangling > 0 {
		sec.field("left", "%s in manifests to what their repository does not have", counted(ex.Dangling, "digest"))
	}
	return printSections(out, append([]section{sec}, exportFaults(ex)...))
}

func exportFaults(ex driver.Export) []section {
	if ex.FaultCount == 0 {
		return nil
	}
	lost := section{title: "NOT EXPORTED  " + counted(ex.FaultCount, "link")}
	lost.row("PATH", "DIGEST", "WHY")
	for _, f := range ex.Faults[:min(len(ex.Faults), mostFaults)] {
		lost.row(printable(f.Path), f.Digest, printable(f.Reason))
	}
	if ex.FaultCount > mostFaults {
		lost.row("…", "", "--json names more")
	}
	return []section{lost}
}
