package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func restoreCommand() *cobra.Command {
	var asJSON bool
	var o driver.RestoreOptions
	cmd := &cobra.Command{
		Use:   "restore <config> {<directory> | <file>.tar | -}",
		Short: "Make a registry's datastore of a backup",
		Long: "Restore a backup into the datastorepath of the configuration, where no registry may have run yet: in the place\n" +
			"of the registry that was backed up, with its key, or with --as-new as another member beside it. The backup is\n" +
			"what `registry ipfs backup` wrote: a directory, or a tar, in a file or on standard input (-). All blobs are\n" +
			"read, and compared with their CIDs. Run it as the registry's user, and start the registry afterwards. A run that was\n" +
			"interrupted goes on when it is run again. Exits with status 1 when a blob could not be restored.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, from, err := readOnlyNamed(cmd, args, "the directory or the .tar of the backup, or - for standard input")
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			var r driver.Restore
			if isTar(from) {
				r, err = restoreTar(ctx, cmd, p, o, from)
			} else {
				o.Dir = absolute(from)
				r, err = restore(ctx, cmd, p, o)
			}
			if err != nil {
				return err
			}
			err = printOne(cmd.OutOrStdout(), asJSON, r, func(out io.Writer, r driver.Restore) error {
				return printRestore(out, absolute(p.DatastorePath), r)
			})
			if err == nil && r.FaultCount > 0 {
				err = fmt.Errorf("ipfs restore: %s could not be restored: start the registry, and it fetches what members have", counted(r.FaultCount, "blob"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&o.AsNew, "as-new", false, "as another member, with a peer ID of its own")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func restore(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.RestoreOptions) (driver.Restore, error) {
	show := newMovingShow(cmd.ErrOrStderr())
	r, err := driver.RestoreBackup(ctx, p, o, func(at driver.BackupProgress) {
		show.tell("restored "+backupText(at), at.Bytes, at.OfBytes)
	})
	show.end()
	if err != nil && ctx.Err() != nil {
		return r, errors.New("ipfs restore: interrupted: run it again to go on; no registry starts there before")
	}
	if err != nil {
		return r, fmt.Errorf("ipfs %w", err)
	}
	return r, nil
}

func printRestore(out io.Writer, path string, r driver.Restore) error {
	sec := section{title: "RESTORED  to " + printable(path)}
	sec.field("backup", "of %s, %s", printable(r.Backup.Peer), r.Backup.Created)
	if r.AsNew {
		sec.field("registry", "a new member, with a peer ID of its own")
	} else {
		sec.field("registry", "itself: do not start the old one again")
	}
	sec.field("map", "%s", counted(r.Backup.Records, "record"))
	if r.Backup.MapOnly {
		sec.field("blobs", "none in the backup: they come from members")
	} else {
		sec.field("blobs", "%s", amountText(r.Blobs))
	}
	return printSections(out, append([]section{sec}, backupFaults("NOT RESTORED", r.Faults, r.FaultCount)...))
}
