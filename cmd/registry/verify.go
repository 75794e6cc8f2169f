package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func verifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify <config> [<repository>:<tag> | <repository>@<digest>]",
		Short: "Verify this registry's blobs, or those of an image, and mend damaged ones",
		Long: "Read this registry's blobs, or those of an image, compare them with their CIDs, and mend damaged ones\n" +
			"with bytes from other members. The running registry does the work; when it is stopped, the command\n" +
			"reads the disk itself and asks no member. Exits with status 1 when something could not be mended.",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeAfterConfig(1, images),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readParameters(args[:1])
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			result, err := verify(ctx, cmd, p, append(args, "")[1])
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), result)
			} else {
				err = printVerification(cmd.OutOrStdout(), result)
			}
			if n := result.Unmended(); err == nil && n > 0 {
				err = fmt.Errorf("ipfs verify: faults that could not be mended: %d of %d", n, len(result.Findings))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// verify asks the running registry, or reads the datastore of a stopped one.
func verify(ctx context.Context, cmd *cobra.Command, p driver.Parameters, image string) (driver.Verification, error) {
	log := cmd.ErrOrStderr()
	progress := func(at driver.VerifyProgress) {
		_, _ = fmt.Fprintf(log, "verified %d of %s, %s read, %s\n", at.Blobs, counted(at.Of, "blob"), bytesText(at.Bytes), counted(at.Faults, "fault"))
	}
	stopped := sync.OnceFunc(func() {
		_, _ = fmt.Fprintln(log, "the registry is not running: its blobs are read, and no member is asked")
	})
	return askOrRead(ctx, cmd, p,
		func() (driver.Verification, error) { return driver.NewClient(p).Verify(ctx, image, progress) },
		func() (driver.Verification, error) {
			result, err := driver.VerifyStopped(ctx, p, image, func(at driver.VerifyProgress) {
				stopped()
				progress(at)
			})
			if err == nil {
				stopped()
			}
			return result, err
		})
}

func printVerification(out io.Writer, v driver.Verification) error {
	sec := section{title: fmt.Sprintf("VERIFIED  %s here, %s read, %d not here; faults: %d, not mended: %d",
		counted(v.Blobs-v.Elsewhere, "blob"), bytesText(v.Bytes), v.Elsewhere, len(v.Findings), v.Unmended())}
	if len(v.Findings) == 0 {
		sec.row("nothing is wrong")
	} else {
		sec.row("BLOB", "SIZE", "FAULT", "LEAVES", "DONE")
	}
	for _, f := range v.Findings {
		name, leaves := f.Digest, "-"
		if name == "" {
			name = f.CID
		}
		if f.BadLeaves > 0 {
			leaves = fmt.Sprintf("%d of %d", f.BadLeaves, f.Leaves)
		}
		sec.row(name, bytesText(f.Size), f.Fault, leaves, f.Done)
	}
	return printSections(out, []section{sec})
}
