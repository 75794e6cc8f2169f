package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	logTime = "2006-01-02 15:04:05"
	maxTag  = 128 // characters of a tag
)

func logCommand() *cobra.Command {
	var asJSON, follow, wide bool
	var since time.Duration
	var o driver.LogOptions
	cmd := &cobra.Command{
		Use:   "log <config>",
		Short: "Show what changed: pushes, tags set and moved, deletes, and conflicts",
		Long: "Show what changed in the map that all registries share, the latest first: tags that were set, moved and\n" +
			"deleted, manifests that were pushed without a tag and deleted, on which registry, and when, by the clock\n" +
			"of that registry. Of a delete the history says neither: who it was is known of those that this registry\n" +
			"heard of since its start.\n\n" +
			"A tag that was set on several registries at the same time is a conflict: all registries agree on the one\n" +
			"that won. The others are shown, with the command that brings each back under another tag. --conflicts\n" +
			"shows only these: first the ones since which the tag was not set again, however old.\n\n" +
			"With --follow it shows the last 10 changes, or as many as --limit says, and then goes on until it is\n" +
			"interrupted: one line for each change as this registry hears of it, the earliest first. With --json,\n" +
			"--follow prints one object a line.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := readBoth(args)
			if err != nil {
				return err
			}
			if since > 0 {
				o.Since = time.Now().Add(-since)
			}
			if follow {
				return followLog(cmd, args, o, tellLog(cmd.OutOrStdout(), asJSON, wide))
			}
			l, err := askFor(cmd, args, func(c *driver.Client, ctx context.Context) (driver.Log, error) { return c.Log(ctx, o) })
			if err != nil {
				return err
			}
			return printAnswer(cmd, asJSON, l, func(l driver.Log) []section { return logSections(l, o, registryOf(config), time.Local, wide) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "print whole digests and peer IDs")
	cmd.Flags().DurationVar(&since, "since", 0, "only what is not older than this, such as 24h, by the clocks of those who wrote it")
	cmd.Flags().StringVar(&o.Repository, "repository", "", "only what changed in this repository")
	cmd.Flags().BoolVar(&o.Conflicts, "conflicts", false, "only tags that were set on several registries at the same time")
	cmd.Flags().IntVar(&o.Limit, "limit", 0, "show so many changes, at most 1000 (default 100)")
	cmd.Flags().StringVar(&o.Before, "before", "", "go on where an answer before ended, which says how")
	cmd.MarkFlagsMutuallyExclusive("follow", "before")
	if err := cmd.RegisterFlagCompletionFunc("repository", completeRepositories); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

// logSections are the changes, and what can be done about the conflicts among them.
func logSections(l driver.Log, o driver.LogOptions, at registryAt, zone *time.Location, wide bool) []section {
	digest := digestText(wide)
	table := section{title: fmt.Sprintf("LOG  %s", counted(len(l.Changes), "change"))}
	table.row("WHEN", "WHAT", "IMAGE", "DIGEST", "BEFORE", "BY", "NOTES")
	conflicts := section{title: "CONFLICTS  set on several registries at the same time, none of which had heard of the others"}
	for _, c := range l.Changes {
		table.row(logRow(c, digest, zone, wide)...)
		if c.Conflict != nil && c.Digest == c.Conflict.Won.Digest {
			conflictRows(&conflicts, c, digest, at, wide)
		}
	}
	if len(l.Changes) == 0 {
		table.rows = [][]string{{"none"}}
	}
	more := section{title: "MORE"}
	if l.Next != "" {
		more.row(fmt.Sprintf("%s of the history %s read; to go on: --before %s", counted(l.Looked, "change"), either(l.Looked, "was", "were"), l.Next))
		if o.Conflicts || !o.Since.IsZero() || o.Repository != "" {
			more.row("with the same other flags")
		}
	}
	return []section{table, conflicts, more}
}

// digestText writes digests, of which there may be none, whole or not.
func digestText(wide bool) func(string) string {
	return func(d string) string {
		if wide || d == "" {
			return d
		}
		return shortDigest(d)
	}
}

func logRow(c driver.LogChange, digest func(string) string, zone *time.Location, wide bool) []string {
	when, by, image, was := "-", authorText(c.By, wide), c.Repository, "-"
	switch {
	case c.At != nil:
		when = c.At.In(zone).Format(logTime)
	case c.Heard != nil:
		when = c.Heard.In(zone).Format(logTime)
	}
	if c.Tag != "" {
		image += ":" + c.Tag
	}
	if c.What == "moved" {
		var all []string
		for _, d := range c.From {
			all = append(all, digest(d))
		}
		was = strings.Join(all, ", ")
	}
	return []string{when, whatText(c.What), image, orDash(digest(c.Digest)), was, by, orDash(conflictNote(c, digest))}
}

func whatText(what string) string {
	switch what {
	case "tagged":
		return "tag set"
	case "moved":
		return "tag moved"
	case "again":
		return "pushed again"
	case "untagged":
		return "tag deleted"
	case "pushed":
		return "manifest pushed"
	case "deleted":
		return "manifest deleted"
	}
	return what
}

// conflictNote says how a conflict ended for one of those who set the tag.
func conflictNote(c driver.LogChange, digest func(string) string) string {
	if c.Conflict == nil {
		return ""
	}
	if c.Digest != c.Conflict.Won.Digest {
		return fmt.Sprintf("conflict: lost to %s", digest(c.Conflict.Won.Digest))
	}
	var lost []string
	for _, v := range c.Conflict.Lost {
		lost = append(lost, digest(v.Digest))
	}
	return fmt.Sprintf("conflict: won over %s", strings.Join(lost, ", "))
}

func authorText(a driver.Author, wide bool) string {
	switch {
	case a.PeerID == "":
		return "-"
	case wide:
		return strings.TrimSpace(a.Name + " " + a.PeerID)
	}
	return cmp.Or(a.Name, shortID(a.PeerID))
}

// conflictRows say who won, and how to get back what lost.
func conflictRows(to *section, c driver.LogChange, digest func(string) string, at registryAt, wide bool) {
	is, since := "is", ""
	if !c.Conflict.Open {
		is, since = "became", "; it was set again or deleted since"
	}
	won := c.Conflict.Won
	to.row(fmt.Sprintf("%s:%s %s %s of %s%s", c.Repository, c.Tag, is, digest(won.Digest), authorText(won.By, wide), since))
	for _, v := range c.Conflict.Lost {
		to.row(fmt.Sprintf("  %s of %s lost; %s", digest(v.Digest), authorText(v.By, wide), getBack(c, v, at)))
	}
}

// getBack is how to get back what lost.
func getBack(c driver.LogChange, v driver.TagVersion, at registryAt) string {
	if !oneWord.MatchString(c.Repository) || !oneWord.MatchString(c.Tag) { // a member writes what it likes, and a shell would run it
		return "no client can name it"
	}
	command := fmt.Sprintf("crane tag %s%s/%s@%s %s", at.flags, at.host, c.Repository, v.Digest, lostTag(c.Tag, v.Digest))
	switch v.Manifest {
	case "deleted":
		return "its manifest is deleted: push it again"
	case "silent":
		return "no registry that answers has its manifest: bring back " + authorText(v.By, false) + ", or push it again; then " + command
	}
	return "to get it back: " + command
}

// lostTag is a tag for what lost.
func lostTag(tag, digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	end := "-lost-" + hex[:min(8, len(hex))]
	return tag[:min(len(tag), maxTag-len(end))] + end
}

// registryAt is where clients on this machine reach the registry.
type registryAt struct{ host, flags string }

// registryOf reads it from the configuration.
func registryOf(config *configuration.Configuration) registryAt {
	u, _, err := ownURL(config)
	if err != nil {
		return registryAt{host: config.HTTP.Addr}
	}
	at := registryAt{host: u.Host}
	if u.Scheme == "http" && !isThisMachine(u.Hostname()) {
		at.flags = "--insecure "
	}
	return at
}
