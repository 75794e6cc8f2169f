package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxUnread is how many manifests that could not be read garbage-collect names.
const maxUnread = 5

// collectCommand is upstream's garbage-collect, which runs as another process, for all
// storages but ours: on a shared one it would delete, for every registry, what one of them
// is pushing. There the running registry is asked.
func collectCommand() *cobra.Command {
	var asJSON bool
	var grace time.Duration
	collect := registry.GCCmd
	upstream := collect.Run
	collect.Run = nil
	collect.Short = "Delete blobs and manifests to which nothing refers"
	collect.Long = "Delete blobs and manifests to which nothing refers. The running registry does the work, and asks the\n" +
		"members before it deletes: a grace goes by between finding garbage and deleting it, so that no push loses\n" +
		"what it relies on. With a grace of up to a minute the command waits for that."
	collect.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	collect.Flags().DurationVar(&grace, "grace", 0, "instead of gcgrace, how long garbage is left before it is deleted, such as 10s")
	collect.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := readConfig(args)
		if err != nil {
			return err
		}
		if config.Storage.Type() != driver.Name {
			if asJSON || cmd.Flags().Changed("grace") {
				return fmt.Errorf("garbage-collect: --json and --grace are for the ipfs storage, not for %s", config.Storage.Type())
			}
			upstream(cmd, args)
			return nil
		}
		p, err := readParameters(args)
		if err != nil {
			return err
		}
		o := driver.CollectOptions{DryRun: flag(cmd, "dry-run"), Untagged: flag(cmd, "delete-untagged")}
		if cmd.Flags().Changed("grace") {
			o.Grace = &grace
		}
		result, err := askToCollect(cmd, p, o)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), result)
		}
		if flag(cmd, "quiet") {
			return nil
		}
		return printCollection(cmd.OutOrStdout(), result)
	}
	return collect
}

func flag(cmd *cobra.Command, name string) bool {
	v, _ := cmd.Flags().GetBool(name)
	return v
}

func askToCollect(cmd *cobra.Command, p driver.Parameters, o driver.CollectOptions) (driver.Collection, error) {
	ctx, stop := interruptible(cmd)
	defer stop()
	return askRunning(ctx, cmd, p, func() (driver.Collection, error) {
		return driver.NewClient(p).Collect(ctx, o, collectProgress(ctx, cmd))
	})
}

// collectProgress prints what a collection is doing: each phase once, and every few seconds
// how far it is.
func collectProgress(_ context.Context, cmd *cobra.Command) func(driver.CollectProgress) {
	log, quiet := cmd.ErrOrStderr(), flag(cmd, "quiet")
	phase, last := "", time.Time{}
	return func(at driver.CollectProgress) {
		if quiet || at.Phase == phase && time.Since(last) < 5*time.Second {
			return
		}
		phase, last = at.Phase, time.Now()
		switch {
		case at.Of > 0:
			_, _ = fmt.Fprintf(log, "%s: %d of %s, %s\n", phase, at.Paths, counted(at.Of, "entry"), counted(at.Manifests, "manifest"))
		case at.Left > 0:
			_, _ = fmt.Fprintf(log, "%s: %s left of the grace\n", phase, at.Left.Round(time.Second))
		default:
			_, _ = fmt.Fprintln(log, phase)
		}
	}
}

func printCollection(out io.Writer, c driver.Collection) error {
	sec := section{title: "GARBAGE"}
	sec.field("looked at", "%s", countText(c.Looked))
	sec.field("unused", "%s", countText(c.Garbage))
	if c.DryRun {
		sec.field("deleted", "nothing: this was a dry run")
	} else {
		sec.field("deleted", "%s", countText(c.Deleted))
		sec.field("disk", "%s removed from this registry; the others remove theirs by themselves", blobsText(c.Removed.Blobs, c.Removed.Bytes))
	}
	for i, u := range c.Unread {
		if i == maxUnread {
			sec.field("unread", "and %d more", c.Unreads-maxUnread)
			break
		}
		sec.field("unread", "%s: %s; what its repository refers to is kept", u.Path, u.Reason)
	}
	for _, u := range c.WaitsFor {
		sec.field("waits for", "%s", waitsText(u))
	}
	if c.Left > 0 && len(c.WaitsFor) == 0 { // nobody knows when those are back
		sec.field("later", "the rest may go in %s (gcgrace is %s)", c.Left.Round(time.Second), c.Grace)
	}
	return printSections(out, []section{sec})
}

func waitsText(u driver.Unheard) string {
	who := shortID(u.PeerID)
	if u.Name != "" {
		who = fmt.Sprintf("%s (%s)", u.Name, who)
	}
	if u.Reason != "" {
		who += ", " + u.Reason
	}
	return fmt.Sprintf("%s; if it is gone for good: `registry ipfs forget <config> %s`", who, u.PeerID)
}

func countText(c driver.GarbageCount) string {
	parts := []string{
		counted(c.Manifests, "manifest"), counted(c.Layers, "layer link"), blobsText(c.Blobs, c.Bytes),
	}
	if c.Repositories > 0 {
		parts = append(parts, "in "+counted(c.Repositories, "repository"))
	}
	return strings.Join(parts, ", ")
}
