package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// drainEvery is how often progress is printed where there is no terminal to draw a bar on.
const drainEvery = 5 * time.Second

func drainCommand() *cobra.Command {
	var asJSON, wait bool
	cmd := &cobra.Command{
		Use:   "drain <config>",
		Short: "Hand on what this registry keeps, before it is switched off for good",
		Long: "Make the running registry one that is to be switched off for good, also after a restart: it takes no\n" +
			"pushes and deletes any more, serves pulls, and the other registries fetch what it kept. The command\n" +
			"prints how far they are, and whether the registry may be switched off; with --wait it waits for that.\n" +
			"`registry ipfs undrain` ends it.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readParameters(args)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			d, err := askToDrain(ctx, cmd, p, wait)
			if err != nil {
				return err
			}
			return printDrain(cmd.OutOrStdout(), d, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the registry may be switched off")
	return cmd
}

func undrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "undrain <config>",
		Short: "Let a registry stay that was being drained",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := askFor(cmd, args, (*driver.Client).Undrain)
			if err != nil {
				return err
			}
			text := "this registry stays: it takes pushes, and keeps blobs for others"
			if d.Unsaved != "" {
				text += "\n" + unsavedText(d)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
}

func askToDrain(ctx context.Context, cmd *cobra.Command, p driver.Parameters, wait bool) (driver.DrainState, error) {
	show := drainProgress(cmd.ErrOrStderr())
	d, err := askRunning(ctx, cmd, p, func() (driver.DrainState, error) { return driver.NewClient(p).Drain(ctx, wait, show.tell) })
	show.end()
	if err != nil && ctx.Err() != nil {
		return d, fmt.Errorf("ipfs drain: interrupted: the registry goes on handing on what it has; ask again, or end that with `registry ipfs undrain`")
	}
	return d, err
}

// drainShow shows how far a drain is.
type drainShow struct {
	out  io.Writer
	bar  *progressbar.ProgressBar // nil: not a terminal, or nothing is known yet
	tty  bool
	last time.Time
	why  string // the reason that was printed last
}

func drainProgress(out io.Writer) *drainShow {
	f, ok := out.(*os.File)
	return &drainShow{out: out, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// tell shows how far a drain is, and why it is not done whenever the reason is another one.
func (s *drainShow) tell(d driver.DrainState) {
	if d.Here.Blobs > 0 {
		s.handed(d)
	}
	if d.Reason == "" || d.Reason == s.why {
		return
	}
	s.why = d.Reason
	if s.bar != nil {
		_ = s.bar.Clear() // it is drawn anew below the line
	}
	_, _ = fmt.Fprintln(s.out, "not done: "+printable(d.Reason))
	if s.bar != nil {
		_ = s.bar.RenderBlank()
	}
}

func (s *drainShow) handed(d driver.DrainState) {
	handed := handedOn(d)
	text := fmt.Sprintf("handed on %s of %s", amountText(handed), amountText(d.Here))
	switch {
	case s.tty:
		if s.bar == nil {
			s.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(s.out), progressbar.OptionSetWidth(30),
				progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
		}
		s.bar.Describe(text)
		s.bar.ChangeMax64(max(d.Here.Bytes, 1))
		_ = s.bar.Set64(handed.Bytes) // it fails when there is nothing to draw on
	case time.Since(s.last) >= drainEvery:
		s.last = time.Now()
		_, _ = fmt.Fprintln(s.out, text)
	}
}

func (s *drainShow) end() {
	if s.bar != nil {
		_ = s.bar.Finish()
	}
}

func printDrain(out io.Writer, d driver.DrainState, asJSON bool) error {
	if asJSON {
		return printJSON(out, d)
	}
	sec := section{title: "DRAINED  this registry may be switched off for good"}
	if !d.Done {
		sec.title = "DRAINING  not to be switched off yet: " + d.Reason
	}
	sec.field("handed on", "%s of %s", amountText(handedOn(d)), amountText(d.Here))
	if d.Left.Blobs > 0 {
		sec.field("left", "%s, which too few others keep yet; of these %s are on none of the registries that are to keep them", amountText(d.Left), amountText(d.OnlyHere))
	}
	sec.field("changes", "%s", changesText(d))
	if d.Warning != "" {
		sec.field("warning", "%s", d.Warning)
	}
	if d.Unsaved != "" {
		sec.field("not saved", "%s", unsavedText(d))
	}
	if d.Done {
		sec.field("next", "stop it: the others forget it once it is away (those of an earlier release by `registry ipfs forget <config> <its name or peer ID>`)")
	} else {
		sec.field("next", "`registry ipfs drain --wait <config>` waits until it may be switched off")
	}
	return printSections(out, []section{sec})
}

// handedOn is what enough others keep.
func handedOn(d driver.DrainState) driver.BlobAmount {
	return driver.BlobAmount{Blobs: d.Here.Blobs - d.Left.Blobs, Bytes: d.Here.Bytes - d.Left.Bytes}
}

// unsavedText says what a restart may do, and until when.
func unsavedText(d driver.DrainState) string {
	then := "after a restart it may be drained again"
	if d.Draining {
		then = "after a restart it may not be drained any more"
	}
	return then + ", until this is written down: " + printable(d.Unsaved)
}

func amountText(a driver.BlobAmount) string {
	return blobsText(a.Blobs, a.Bytes)
}

func changesText(d driver.DrainState) string {
	text := fmt.Sprintf("%s %s them all", counted(d.Merged, "member"), english.PluralWord(d.Merged, "has", "have"))
	var names []string
	for _, m := range d.Behind {
		names = append(names, cmp.Or(m.Name, shortID(m.PeerID)))
	}
	if len(names) > 0 {
		text += "; not yet: " + strings.Join(names, ", ")
	}
	return text
}
