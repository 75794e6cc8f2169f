package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func traceCommand() *cobra.Command {
	var asJSON, wide bool
	var o driver.TraceOptions
	cmd := &cobra.Command{
		Use:   "trace <config> <repository>:<tag> | <repository>@<digest> | <digest>",
		Short: "Pull an image's blobs here, and show where each came from and what limited it",
		Long: "Have the running registry fetch the blobs of an image, three at a time as clients do, and show blob by\n" +
			"blob from whom it came and by which road, how fast, what was waited for, and what limited it. What is\n" +
			"here already is not fetched. With --dry-run nothing is fetched: members are asked what they have.\n" +
			"Exits with status 1 when a blob does not come, or nobody that answers has it whole.",
		Args:              afterConfig(1, "an image or a digest"),
		ValidArgsFunction: completeAfterConfig(1, images),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := driver.ParsePlatform(o.Platform); err != nil {
				return fmt.Errorf("ipfs trace: %w", err)
			}
			t, err := trace(cmd, args, o)
			if err != nil {
				return err
			}
			err = printAnswer(cmd, asJSON, t, func(t driver.Trace) []section { return traceSections(t, wide) })
			if n := t.Lacking(); err == nil && n > 0 {
				err = fmt.Errorf("ipfs trace: not to be had: %d of %s", n, counted(len(t.Blobs), "blob"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "fetch nothing: only ask who has the blobs")
	cmd.Flags().StringVar(&o.Platform, "platform", "", "of an index: os/architecture, or all; without it linux on this machine's architecture")
	cmd.Flags().BoolVar(&wide, "wide", false, "print whole digests")
	return cmd
}

// trace has the running registry fetch an image, and says on standard error how far it is.
func trace(cmd *cobra.Command, args []string, o driver.TraceOptions) (driver.Trace, error) {
	p, err := readParameters(args[:len(args)-1])
	if err != nil {
		return driver.Trace{}, err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	log := cmd.ErrOrStderr()
	progress := func(b driver.TracedBlob) {
		if b.Story != nil {
			_, _ = fmt.Fprintln(log, finishedLine(*b.Story, time.Local))
		}
	}
	return askRunning(ctx, cmd, p, func() (driver.Trace, error) {
		return driver.NewClient(p).Trace(ctx, args[len(args)-1], o, progress)
	})
}

func traceSections(t driver.Trace, wide bool) []section {
	if t.DryRun {
		return dryRunSections(t, wide)
	}
	sec := section{title: fmt.Sprintf("TRACE  %s: %s, %s from others in %s", t.Of, counted(len(t.Blobs), "blob"),
		bytesText(t.Received), durationText(t.Took))}
	sec.row(slices.Concat([]string{"BLOB", "DIGEST", "SIZE", "FIRST BYTE", "TOOK", "WAITED FOR", "RETRIES", "LIMIT"}, sourceTitles)...)
	failed := section{title: "NOT TO BE HAD"}
	for _, b := range t.Blobs {
		lead := tracedLead(b, wide)
		if b.Story == nil {
			from, note := whereTraced(b)
			sec.row(append(lead, "-", "-", "-", "-", "-", from, "-", "-", "-", note)...)
			continue
		}
		s := *b.Story
		storyRows(&sec, s, append(lead, durationText(s.FirstByte), durationText(s.Took), waitedText(s), retriesText(s), limitText(s.Limit))...)
		if s.Error != "" {
			failed.row(lead[1], s.Error)
		}
	}
	return []section{sec, limitedBy(t), failed}
}

func tracedLead(b driver.TracedBlob, wide bool) []string {
	d := b.Digest
	if !wide {
		d = shortDigest(d)
	}
	return []string{b.Kind, d, bytesText(b.Size)}
}

// whereTraced says of a blob that was not fetched where it is, and why.
func whereTraced(b driver.TracedBlob) (from, note string) {
	switch {
	case b.CID == "":
		return "-", "nobody knows it: it was never pushed, or deleted"
	case b.Inline:
		return "here", "it is part of its entry"
	case b.Here:
		return "here", "-"
	}
	return "-", "-"
}

// limitedBy adds up what the blobs spent their time on, and names the greatest parts.
func limitedBy(t driver.Trace) section {
	sums, all := map[string]time.Duration{}, time.Duration(0)
	for _, b := range t.Blobs {
		if b.Story != nil && b.Story.Limit.What != "" {
			sums[limitName(b.Story.Limit)] += time.Duration(b.Story.Limit.Share * float64(b.Story.Took))
			all += b.Story.Took
		}
	}
	sec := section{title: "LIMITED BY"}
	var names []string
	for name := range sums {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
	for _, name := range names {
		sec.row(name, fmt.Sprintf("%d%% of the time of all blobs", share(int64(sums[name]), int64(all))))
	}
	return sec
}

func dryRunSections(t driver.Trace, wide bool) []section {
	sec := section{title: fmt.Sprintf("DRY RUN  %s: %s; nothing was fetched", t.Of, counted(len(t.Blobs), "blob"))}
	sec.row("BLOB", "DIGEST", "SIZE", "HERE", "WHOLE ON", "IN PART ON", "NOTES")
	names := namesOfHolders(t)
	for _, b := range t.Blobs {
		from, note := whereTraced(b)
		var whole, parts []string
		for _, h := range b.Holders {
			name := fmt.Sprintf("%s (%s)", names[h.PeerID], h.Road)
			if h.Whole {
				whole = append(whole, name)
			} else {
				parts = append(parts, fmt.Sprintf("%s %d%%", name, share(h.Bytes, b.Size)))
			}
		}
		sec.row(append(tracedLead(b, wide), from, orDash(strings.Join(whole, ", ")), orDash(strings.Join(parts, ", ")), note)...)
	}
	silent := section{title: "NOT COUNTED  what these registries have is not known"}
	for _, m := range t.Silent {
		silent.row(orDash(m.Name), shortID(m.PeerID), m.Trouble)
	}
	return []section{sec, silent}
}

func namesOfHolders(t driver.Trace) map[string]string {
	seen, all := map[string]bool{}, []driver.WhereMember{}
	for _, b := range t.Blobs {
		for _, h := range b.Holders {
			if !seen[h.PeerID] {
				seen[h.PeerID] = true
				all = append(all, driver.WhereMember{PeerID: h.PeerID, Name: h.Name})
			}
		}
	}
	return namesOf(all)
}
