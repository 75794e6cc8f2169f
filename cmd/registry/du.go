package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	mostImages    = 20 // that `ipfs du` lists without --all
	usageSilence  = 2 * time.Second
	maxUnreadable = 5 // manifests that it names
)

func duCommand() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "du <config> [<repository> | <repository>:<tag>]…",
		Short: "Show what images take of this registry's disk, and what deleting them frees",
		Long: "Show what repositories and images take of the running registry's disk: their bytes, those that only\n" +
			"they need, those that they share with others, and what the next collection of garbage frees here when\n" +
			"they are deleted. Images of which several are named are also counted as if all of them were deleted.",
		ValidArgsFunction: completeAfterConfig(math.MaxInt, images),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, of := configAnd(args)
			p, err := readParameters(config)
			if err != nil {
				return err
			}
			o := driver.UsageOptions{Of: of, Most: mostImages}
			if all || asJSON || len(of) > 0 {
				o.Most = 0
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			u, err := askUsage(ctx, cmd, p, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), u)
			}
			return printUsage(cmd.OutOrStdout(), u)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with all images")
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("list all images, not only the %d that free most", mostImages))
	return cmd
}

// configAnd splits what a command is given: the configuration, unless the environment names it, and
// the rest.
func configAnd(args []string) (config, rest []string) {
	if len(args) == 0 {
		return nil, nil
	}
	if _, err := os.Stat(args[0]); err != nil && os.Getenv(configVariable) != "" {
		return nil, args
	}
	return args[:1], args[1:]
}

func askUsage(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.UsageOptions) (driver.Usage, error) {
	last := time.Now()
	progress := func(at driver.UsageProgress) {
		if time.Since(last) < usageSilence {
			return
		}
		last = time.Now()
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "looked at %d of %s, %s\n", at.Paths, counted(at.Of, "entry"), counted(at.Manifests, "manifest"))
	}
	return askRunning(ctx, cmd, p, func() (driver.Usage, error) { return driver.NewClient(p).Usage(ctx, o, progress) })
}

func printUsage(out io.Writer, u driver.Usage) error {
	repositories := section{title: "REPOSITORIES"}
	repositories.row("REPOSITORY", "TAGS", "SIZE", "HERE", "OWN", "SHARED", "FREES", "COPIES")
	for _, r := range u.Repositories {
		repositories.row(append([]string{r.Repository, fmt.Sprint(r.Tags)}, usageCells(r)...)...)
	}
	images := section{title: "IMAGES"}
	if n := len(u.Images); n < u.ImageCount {
		images.title += fmt.Sprintf("  the %d of %d that free most; --all shows all", n, u.ImageCount)
	}
	images.row("IMAGE", "SIZE", "HERE", "OWN", "SHARED", "FREES", "COPIES")
	for _, r := range u.Images {
		images.row(append([]string{imageName(r)}, usageCells(r)...)...)
	}
	return printSections(out, []section{repositories, images, usageTotal(u), usageNotes(u)})
}

func imageName(r driver.ImageUsage) string {
	if r.Tag == "" {
		return fmt.Sprintf("%s (%s without a tag)", r.Repository, counted(r.Manifests, "manifest"))
	}
	return r.Repository + ":" + r.Tag
}

func usageCells(r driver.ImageUsage) []string {
	size := bytesText(r.Size)
	if r.Unread > 0 {
		size += " and more" // that nobody knows here
	}
	copies := "-"
	switch {
	case r.OnlyHere > 0 && r.OnlyHere == r.Here:
		copies = "1, only here"
	case r.OnlyHere > 0:
		copies = fmt.Sprintf("%d, %s only here", r.Copies, bytesText(r.OnlyHere))
	case r.Copies > 0:
		copies = fmt.Sprint(r.Copies)
	}
	return []string{size, bytesText(r.Here), bytesText(r.Own), bytesText(r.Shared), bytesText(r.Frees), copies}
}

func usageTotal(u driver.Usage) section {
	sec := section{title: "TOTAL"}
	sec.field("deleted", "all %s above, the next collection frees %s here", counted(u.ImageCount, "image"), blobsText(u.Together.Blobs, u.Together.Bytes))
	sec.field("garbage", "%s to which nothing refers; without an entry: %s: the next collection frees both, when their grace is over",
		blobsText(u.Garbage.Blobs, u.Garbage.Bytes), blobsText(u.Unnamed.Blobs, u.Unnamed.Bytes))
	sec.field("kept", "%s", blobsText(u.Kept.Blobs, u.Kept.Bytes))
	sec.field("cache", "%s, of which what is needed goes by itself", blobsText(u.Cache.Blobs, u.Cache.Bytes))
	sec.field("uploads", "%d unfinished (%s)", u.Uploads.Count, bytesText(u.Uploads.Bytes))
	sec.field("disk", "%s free of %s", humanize.IBytes(u.Disk.FreeBytes), humanize.IBytes(u.Disk.TotalBytes))
	return sec
}

// usageNotes say what the numbers do not.
func usageNotes(u driver.Usage) section {
	sec := section{title: "NOTES"}
	if u.Surveyed != nil {
		sec.field("copies", "as the members said %s; `registry ipfs where` asks them now", humanize.Time(*u.Surveyed))
	} else {
		sec.field("copies", "the members have not been asked yet")
	}
	if u.UntaggedKept {
		sec.field("tags", "manifests without a tag are kept, with what they name (gcuntagged: false): delete an image by its digest, or collect with "+
			"`registry garbage-collect --delete-untagged <config>`")
	}
	for i, of := range u.Unread {
		if i == maxUnreadable {
			sec.field("unread", "and %d more", u.Unreads-maxUnreadable)
			break
		}
		sec.field("unread", "%s: %s; what it names is not counted, and its repository keeps all that it refers to", of.Path, of.Reason)
	}
	if u.Stuck {
		sec.field("stuck", "a later release wrote what this one does not know: nothing is freed; upgrade this registry")
	}
	return sec
}
