package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func backupCommand() *cobra.Command {
	var asJSON bool
	var o driver.BackupOptions
	cmd := &cobra.Command{
		Use:   "backup <config> {<directory> | <file>.tar | -}",
		Short: "Back up this registry, while it serves",
		Long: "Write the map of one moment, with this registry's key, and the blobs that are on its disk then. The running\n" +
			"registry does the work, and goes on serving; of one that is stopped the command reads the disk itself. A second\n" +
			"run into the same directory writes the map anew, and only those blobs that are not there. The backup there\n" +
			"stays the earlier one until the new one is whole.\n\n" +
			"A tar, in a file or on standard output (-), has all blobs each time: nothing of it is shared, or left out\n" +
			"because it was there. Exits with status 1 when a blob could not be read.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, to, err := readOnlyNamed(cmd, args, "the directory or the .tar to write to, or - for standard output")
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			var b driver.Backup
			if isTar(to) {
				b, err = backUpTar(ctx, cmd, p, o, to)
			} else {
				o.Dir = absolute(to)
				b, err = backUp(ctx, cmd, p, o)
			}
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if isStream(to) {
				out = cmd.ErrOrStderr()
			}
			err = printOne(out, asJSON, b, printBackup)
			if err == nil && b.FaultCount > 0 {
				err = fmt.Errorf("ipfs backup: %s could not be read", counted(b.FaultCount, "blob"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&o.MapOnly, "map-only", false, "without the blobs, which come from members when it is restored")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// backUp asks the running registry, or reads the datastore of a stopped one.
func backUp(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.BackupOptions) (driver.Backup, error) {
	show := newMovingShow(cmd.ErrOrStderr())
	tell := func(at driver.BackupProgress) { show.tell("backed up "+backupText(at), at.Bytes, at.OfBytes) }
	b, err := askOrRead(ctx, cmd, p,
		func() (driver.Backup, error) { return driver.NewClient(p).Backup(ctx, o, tell) },
		func() (driver.Backup, error) { return driver.BackupStopped(ctx, p, o, tell) })
	show.end()
	if err != nil && ctx.Err() != nil {
		return b, errors.New("ipfs backup: interrupted: there is no new backup; run it again to go on")
	}
	return b, err
}

func backupText(at driver.BackupProgress) string {
	return fmt.Sprintf("%s of the map, %s of %d, %s", counted(at.Records, "record"), blobsText(at.Blobs, at.Bytes), at.Of, counted(at.Faults, "fault"))
}

func printBackup(out io.Writer, b driver.Backup) error {
	sec := section{title: "BACKED UP  to " + printable(cmp.Or(b.Dir, "standard output"))}
	if !b.Running {
		sec.field("registry", "is not running")
	}
	sec.field("map", "%s (%s)", counted(b.Records, "record"), bytesText(b.Map))
	if b.MapOnly {
		sec.field("blobs", "none, as you asked: they come from members when it is restored")
	} else {
		sec.field("blobs", "written: %s; there already: %s", amountText(inAll(b.Cloned, b.Linked, b.Copied)), amountText(b.There))
		sec.field("of these", "shared with the registry's files: %s, second names of them: %s, copied: %s",
			bytesText(b.Cloned.Bytes), bytesText(b.Linked.Bytes), bytesText(b.Copied.Bytes))
		sec.field("not in it", "%s that only other members have", amountText(b.Elsewhere))
		sec.field("removed", "%s that the earlier backup had", counted(b.Removed, "blob"))
	}
	return printSections(out, append([]section{sec}, backupFaults("NOT BACKED UP", b.Faults, b.FaultCount)...))
}

func inAll(amounts ...driver.BlobAmount) (sum driver.BlobAmount) {
	for _, a := range amounts {
		sum.Blobs += a.Blobs
		sum.Bytes += a.Bytes
	}
	return sum
}

func backupFaults(title string, faults []driver.BackupFault, n int) []section {
	if n == 0 {
		return nil
	}
	lost := section{title: title + "  " + counted(n, "blob")}
	lost.row("CID", "WHY")
	for _, f := range faults[:min(len(faults), mostFaults)] {
		lost.row(printable(f.CID), printable(f.Reason))
	}
	if n > mostFaults {
		lost.row("…", "--json names more")
	}
	return []section{lost}
}
