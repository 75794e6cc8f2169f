package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// whereTimeout is longer than the running registry takes to ask all members.
const whereTimeout = time.Minute

func whereCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "where <config> <repository>:<tag> | <repository>@<digest> | <digest> | <start of a digest>",
		Short: "Show which registries have the blobs of an image",
		Long: "Show which registries have the blobs of an image, or a single blob: who keeps it, who has it as cache,\n" +
			"and who has a part of it. The running registry asks the others. Exits with status 1 when a blob is\n" +
			"whole on none of those that answered. Of a digest the first 12 digits are enough, where no other has the same.",
		Args:              afterConfig(1, "an image or a digest"),
		ValidArgsFunction: completeAfterConfig(1, images),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readParameters(args[:len(args)-1])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), whereTimeout)
			defer cancel()
			w, err := askRunning(ctx, cmd, p, func() (driver.Where, error) { return driver.NewClient(p).Where(ctx, args[len(args)-1]) })
			if err != nil {
				return err
			}
			err = printAnswer(cmd, asJSON, w, func(w driver.Where) []section { return whereSections(w, wide) })
			if n := w.Nowhere(); err == nil && n > 0 {
				err = fmt.Errorf("ipfs where: whole on none of the registries that answered: %d of %s", n, counted(len(w.Blobs), "blob"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&wide, "wide", false, "print whole digests")
	return cmd
}

func whereSections(w driver.Where, wide bool) []section {
	names := namesOf(w.Members)
	silent := section{title: "NOT COUNTED  what these registries have is not known"}
	silent.row("NAME", "PEER", "WHY")
	for _, m := range w.Members {
		if m.Trouble != "" {
			silent.row(orDash(m.Name), shortID(m.PeerID), m.Trouble)
		}
	}
	unknown := len(silent.rows) - 1
	if unknown == 0 {
		silent.rows = nil
	}
	blobs := section{title: fmt.Sprintf("WHERE  %s: %s on %s", w.Of, counted(len(w.Blobs), "blob"), counted(len(w.Members)-unknown, "registry"))}
	blobs.row("BLOB", "DIGEST", "SIZE", "KEPT BY", "CACHED BY", "IN PART")
	for _, b := range w.Blobs {
		d := b.Digest
		if !wide {
			d = shortDigest(d)
		}
		blobs.row(append([]string{b.Kind, d, bytesText(b.Size)}, whoHas(b, names)...)...)
	}
	return []section{blobs, silent}
}

// namesOf maps peer IDs to names that tell the registries apart.
func namesOf(members []driver.WhereMember) map[string]string {
	count, names := map[string]int{}, map[string]string{}
	for _, m := range members {
		count[m.Name]++
	}
	for _, m := range members {
		names[m.PeerID] = cmp.Or(m.Name, shortID(m.PeerID))
		if m.Name != "" && count[m.Name] > 1 {
			names[m.PeerID] = fmt.Sprintf("%s (%s)", m.Name, shortID(m.PeerID))
		}
	}
	return names
}

// whoHas are the names of the registries that keep a blob, have it as cache, and have a part.
func whoHas(b driver.WhereBlob, names map[string]string) []string {
	switch {
	case b.CID == "":
		return []string{"nobody knows it: it was never pushed, or deleted", "", ""}
	case b.Inline:
		return []string{"all, as part of its entry", "", ""}
	}
	var kept, cached, parts []string
	for _, c := range b.Copies {
		name := names[c.PeerID]
		switch {
		case c.Kept:
			kept = append(kept, name)
		case c.Whole:
			cached = append(cached, name)
		default:
			parts = append(parts, fmt.Sprintf("%s %d%%", name, share(c.Bytes, b.Size)))
		}
	}
	return []string{orDash(strings.Join(kept, ", ")), orDash(strings.Join(cached, ", ")), orDash(strings.Join(parts, ", "))}
}

// shortDigest is enough of a digest to tell blobs apart.
func shortDigest(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return algorithm + ":" + hex[:min(12, len(hex))]
}
