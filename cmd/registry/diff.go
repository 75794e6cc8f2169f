package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func diffCommand() *cobra.Command {
	var asJSON bool
	var o driver.DiffOptions
	cmd := &cobra.Command{
		Use:   "diff <config> <image> <image>",
		Short: "Show what two images have in common",
		Long: "Show what two images, as <repository>:<tag> or <repository>@<digest>, have in common: by their blobs, by the\n" +
			"leaves of 1 MiB of which these consist, and by the files in their layers, which the running registry\n" +
			"reads. It says what compression hides. Layers that are not on its disk are not compared, unless --fetch has\n" +
			"them fetched. Exits with status 1 when a layer could not be read.",
		Args:              afterConfig(2, "two images"),
		ValidArgsFunction: completeAfterConfig(2, images),
		RunE: func(cmd *cobra.Command, args []string) error {
			images := args[len(args)-2:]
			p, err := readParameters(args[:len(args)-2])
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			d, err := askDiff(ctx, cmd, p, images, o)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), d)
			} else {
				err = printDiff(cmd.OutOrStdout(), d)
			}
			if n := d.Unread(); err == nil && n > 0 {
				err = fmt.Errorf("ipfs diff: could not be read: %s", counted(n, "layer"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&o.Platform, "platform", "", "of indexes, such as linux/amd64; all that both have, without it")
	cmd.Flags().BoolVar(&o.Fetch, "fetch", false, "fetch layers that are not here from other registries")
	return cmd
}

func askDiff(ctx context.Context, cmd *cobra.Command, p driver.Parameters, images []string, o driver.DiffOptions) (driver.Diff, error) {
	progress := func(at driver.DiffProgress) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "read %s of %s of the layers\n", bytesText(at.Bytes), bytesText(at.Of))
	}
	return askRunning(ctx, cmd, p, func() (driver.Diff, error) {
		return driver.NewClient(p).Diff(ctx, images[0], images[1], o, progress)
	})
}

func printDiff(out io.Writer, d driver.Diff) error {
	var all []section
	for _, p := range d.Platforms {
		all = append(all, diffSection(d, p), restSection(d, p), diffNotes(p))
	}
	lacking := section{title: "NOT COMPARED"}
	for _, of := range []driver.DiffImage{d.A, d.B} {
		if len(of.Only) > 0 {
			lacking.row(of.Of, strings.Join(of.Only, ", "))
		}
	}
	return printSections(out, append(all, lacking))
}

func diffSection(d driver.Diff, p driver.PlatformDiff) section {
	sec := section{title: fmt.Sprintf("DIFF  %s and %s", d.A.Of, d.B.Of)}
	if p.Platform != "" {
		sec.title += ", " + p.Platform
	}
	sec.row("", "SHARED", "ONLY "+d.A.Of, "ONLY "+d.B.Of)
	sharesRow(&sec, "blobs", p.Blobs)
	sharesRow(&sec, "leaves", p.Leaves)
	sharesRow(&sec, "files, by bytes", p.Files)
	at := p.Paths
	others := driver.DiffSum{Bytes: at.ChangedB.Bytes + at.OnlyB.Bytes}
	sec.row("files, by path", sharedText(driver.Shares{Shared: at.Same, OnlyB: others}), sumText(at.OnlyA), sumText(at.OnlyB))
	if at.ChangedA.Count > 0 {
		sec.row("  changed", "", sumText(at.ChangedA), sumText(at.ChangedB))
	}
	return sec
}

// restSection compares the layers that only one of the images has.
func restSection(d driver.Diff, p driver.PlatformDiff) section {
	sec := section{title: "IN LAYERS THAT THEY DO NOT SHARE"}
	if len(p.Rest.Compression) == 0 {
		return sec
	}
	sec.title += "  " + strings.Join(p.Rest.Compression, ", ")
	sec.row("", "SHARED", "ONLY "+d.A.Of, "ONLY "+d.B.Of)
	sharesRow(&sec, "leaves", p.Rest.Leaves)
	sharesRow(&sec, "files, by bytes", p.Rest.Files)
	sharesRow(&sec, "leaves, uncompressed", p.Rest.Plain)
	return sec
}

func sharesRow(sec *section, name string, s driver.Shares) {
	sec.row(name, sharedText(s), sumText(s.OnlyA), sumText(s.OnlyB))
}

func sharedText(s driver.Shares) string {
	return fmt.Sprintf("%s, %d%%", sumText(s.Shared), s.Percent())
}

func sumText(s driver.DiffSum) string { return fmt.Sprintf("%d (%s)", s.Count, bytesText(s.Bytes)) }

func diffNotes(p driver.PlatformDiff) section {
	sec := section{title: "NOTES"}
	if text := hiddenText(p.Rest); text != "" {
		sec.field("hidden", "%s", text)
	}
	for _, l := range p.NotHere {
		sec.field("not here", "%s (%s), in %s: its files are not compared; --fetch fetches it", shortDigest(l.Digest), bytesText(l.Size), l.In)
	}
	for _, l := range p.Unread {
		sec.field("not read", "%s", l.Reason)
	}
	return sec
}

// hiddenShare is by how many hundredths files have to share more than leaves do for it to be told.
const hiddenShare = 10

// hiddenText says what compression hides, and what would come of leaving it out.
func hiddenText(r driver.RestDiff) string {
	leaves, files, plain := r.Leaves.Percent(), r.Files.Percent(), r.Plain.Percent()
	if files < leaves+hiddenShare {
		return ""
	}
	text := fmt.Sprintf("the layers share %d%% of their leaves, but %d%% of their files' bytes", leaves, files)
	by := strings.Join(r.Compression, " and ")
	if plain >= leaves+hiddenShare {
		return text + fmt.Sprintf(", hidden by %s: pushed without compression they would share %d%%", by, plain)
	}
	return text + fmt.Sprintf("; without compression they would share %d%%, as a leaf is 1 MiB counted from the beginning of a layer: "+
		"clients that read zstd:chunked fetch only files that they lack", plain)
}
