package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func exportCommand() *cobra.Command {
	var asJSON bool
	var o driver.ExportOptions
	cmd := &cobra.Command{
		Use:   "export <config> <directory> [<repository>…]",
		Short: "Write the images as a registry on a filesystem keeps them",
		Long: "Write the images of this moment, of all repositories, or of those named and all below them, to a directory\n" +
			"that distribution's filesystem driver serves as its rootdirectory. The running registry does the work,\n" +
			"and fetches from other members what it does not have; of one that is stopped the command reads the\n" +
			"disk itself. A second run writes what is missing. Exits with status 1 when something could not be exported.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, rest := configAnd(args)
			if len(rest) == 0 {
				return errors.New("ipfs export: name the directory to write to")
			}
			p, err := readParameters(config)
			if err != nil {
				return err
			}
			o.Dir, o.Repositories = absolute(rest[0]), rest[1:]
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ex, err := export(ctx, cmd, p, o)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), ex)
			} else {
				err = printExport(cmd.OutOrStdout(), ex)
			}
			if err == nil && ex.FaultCount > 0 {
				err = fmt.Errorf("ipfs export: %s could not be exported", counted(ex.FaultCount, "blob"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// export asks the running registry, or reads the datastore of a stopped one.
func export(ctx context.Context, cmd *cobra.Command, p driver.Parameters, o driver.ExportOptions) (driver.Export, error) {
	show := newMovingShow(cmd.ErrOrStderr())
	tell := func(at driver.ExportProgress) { show.tell(exportText(at), int64(at.Paths), int64(at.Of)) }
	ex, err := askOrRead(ctx, cmd, p,
		func() (driver.Export, error) { return driver.NewClient(p).Export(ctx, o, tell) },
		func() (driver.Export, error) { return driver.ExportStopped(ctx, p, o, tell) })
	show.end()
	if err != nil && ctx.Err() != nil {
		return ex, errors.New("ipfs export: interrupted: what was exported stays; run it again to go on")
	}
	return ex, err
}

func exportText(at driver.ExportProgress) string {
	return fmt.Sprintf("exported %s; looked at %s of a map of %d, %s", blobsText(at.Blobs, at.Bytes), counted(at.Paths, "link"), at.Of, counted(at.Faults, "fault"))
}

func printExport(out io.Writer, ex driver.Export) error {
	sec := section{title: "EXPORTED  " + printable(ex.Dir)}
	if !ex.Running {
		sec.field("registry", "is not running: no other one was asked")
	}
	sec.field("of", "%s", counted(ex.Repositories, "repository"))
	sec.field("written", "%s, %s", amountText(ex.Written), counted(ex.Links, "link"))
	sec.field("there already", "%s", amountText(ex.There))
	secs := []section{sec}
	if ex.FaultCount > 0 {
		lost := section{title: "NOT EXPORTED  " + counted(ex.FaultCount, "blob")}
		lost.row("PATH", "DIGEST", "WHY")
		for _, f := range ex.Faults[:min(len(ex.Faults), mostFaults)] {
			lost.row(printable(f.Path), f.Digest, printable(f.Reason))
		}
		if ex.FaultCount > mostFaults {
			lost.row("…", "", "--json names more")
		}
		secs = append(secs, lost)
	}
	return printSections(out, secs)
}
