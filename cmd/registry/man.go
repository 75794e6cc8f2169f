package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// manCommand is for packagers, and so not listed.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man <directory>",
		Short:  "Write a man page of each command into a directory",
		Long:   "Write a man page of each command into a directory that exists. Two builds of one commit write the same pages.",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := driver.ReadBuild()
			date, err := pageDate(b)
			if err != nil {
				return err
			}
			return writePages(cmd.Root(), args[0], b.Version, date)
		},
	}
}

// writePages writes the pages of a command and all below it that are listed: registry.1, registry-ipfs.1, ….
func writePages(root *cobra.Command, dir, version string, date time.Time) error {
	root.InitDefaultCompletionCmd()
	asMarkdown(root)
	root.DisableAutoGenTag = true // it has the day on which the pages are written
	header := doc.GenManHeader{Section: "1", Date: &date, Source: "distribution-ipfs " + version, Manual: "Registry"}
	err := doc.GenManTreeFromOpts(root, doc.GenManTreeOptions{Header: &header, Path: dir, CommandSeparator: "-"})
	if err != nil {
		return fmt.Errorf("man: %w", err)
	}
	return nil
}

// asMarkdown keeps the texts of a command and of all below it as they are, where pages are made of
// Markdown: <config> would be a tag, and left out.
func asMarkdown(cmd *cobra.Command) {
	cmd.Use, cmd.Short, cmd.Long = escaped(cmd.Use), escaped(cmd.Short), escaped(cmd.Long)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { f.Usage = escaped(f.Usage) })
	for _, sub := range cmd.Commands() {
		asMarkdown(sub)
	}
}

// marks are what Markdown would take for its own; what is escaped already stays so.
var marks = strings.NewReplacer(`\<`, `\<`, `<`, `\<`, `\*`, `\*`, `*`, `\*`, `\_`, `\_`, `_`, `\_`)

// escaped is a text as Markdown; lines that begin with a tab are code in it.
func escaped(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "\t") {
			lines[i] = marks.Replace(line)
		}
	}
	return strings.Join(lines, "\n")
}

// pageDate is the date of the commit, or of SOURCE_DATE_EPOCH
// (https://reproducible-builds.org/specs/source-date-epoch/) where a build does not know its commit.
func pageDate(b driver.Build) (time.Time, error) {
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	if b.Date == "" {
		return time.Time{}, errors.New("man: this build does not know the date of its commit: set SOURCE_DATE_EPOCH to it, in seconds since 1970")
	}
	date, err := time.Parse(time.RFC3339, b.Date)
	if err != nil {
		return time.Time{}, fmt.Errorf("man: date of the build: %w", err)
	}
	return date, nil
}
