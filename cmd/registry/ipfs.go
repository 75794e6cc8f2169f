package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const askTimeout = 30 * time.Second

func ipfsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ipfs", Short: "Commands for storage shared peer to peer"}
	cmd.AddCommand(keygenCommand(), idCommand(), statusCommand())
	return cmd
}

// asking reads whom a command asks, and bounds how long it waits for the answer.
func asking(cmd *cobra.Command, args []string) (context.Context, context.CancelFunc, driver.Parameters, error) {
	p, err := readParameters(args)
	if err != nil {
		return nil, nil, p, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	return ctx, cancel, p, nil
}

func keygenCommand() *cobra.Command {
	var swarmKey bool
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Print a new protector key, in hex",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := driver.NewProtectorKey()
			if err != nil {
				return err
			}
			if swarmKey {
				_, err = fmt.Fprint(cmd.OutOrStdout(), driver.FormatSwarmKey(key))
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
			return err
		},
	}
	cmd.Flags().BoolVar(&swarmKey, "swarm-key", false, "print it as a swarm.key file, as Kubo has it")
	return cmd
}

func idCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "id <config>",
		Short: "Print this registry's peer ID and the addresses others bootstrap with",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel, p, err := asking(cmd, args)
			if err != nil {
				return err
			}
			defer cancel()
			id, err := driver.AskIdentity(ctx, p)
			if errors.Is(err, driver.ErrNotRunning) {
				id, err = driver.Identify(ctx, p)
			}
			if err != nil {
				return err
			}
			for _, line := range append([]string{id.PeerID}, id.Addresses...) {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status <config>",
		Short: "Ask the running registry how it and its swarm are",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel, p, err := asking(cmd, args)
			if err != nil {
				return err
			}
			defer cancel()
			status, err := driver.AskStatus(ctx, p)
			if errors.Is(err, driver.ErrNotRunning) {
				return fmt.Errorf("ipfs status: %w: no answer at %s; start it with `registry serve`", err, p.DatastorePath)
			}
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(status)
			}
			return printStatus(cmd.OutOrStdout(), status)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(out io.Writer, s driver.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("peer", "%s", s.PeerID)
	for _, a := range s.Addresses {
		row("address", "%s", a)
	}
	for _, a := range s.DataAddresses {
		row("data port", "%s", a)
	}
	row("network", "%s, topic %s", s.Network, s.Topic)
	row("up", "%s, version %s", time.Since(s.Started).Round(time.Second), s.Version)
	if s.ReadOnly {
		row("read only", "this registry is not in its own trustedpeers")
	}
	row("hash", "%s", s.Hash)
	row("map", "%d entries, %d heads", s.Map.Entries, s.Map.Heads)
	row("digest", "%s", s.Map.Digest)
	row("blobs", "%d here (%s), %d not here", s.Blobs.Here, humanize.IBytes(uint64(s.Blobs.Bytes)), s.Blobs.Missing)
	row("disk", "%s free of %s, %s", humanize.IBytes(s.Disk.FreeBytes), humanize.IBytes(s.Disk.TotalBytes), s.DataPath)
	row("transfers", "%d active, %s received, %s sent", s.Transfers.Active, humanize.IBytes(uint64(s.Transfers.BytesIn)), humanize.IBytes(uint64(s.Transfers.BytesOut)))
	for _, t := range s.Transfers.Running {
		row("  "+t.CID, "%s", describeTransfer(t))
	}
	row("members", "%d", len(s.Members))
	for _, m := range s.Members {
		row("  "+m.PeerID, "%s", describeMember(m))
		for _, a := range m.Addresses {
			row("", "%s", a)
		}
	}
	return w.Flush()
}

func describeTransfer(t driver.Transfer) string {
	text := fmt.Sprintf("%s of %s, begun %s, %d waiting", humanize.IBytes(uint64(t.Here)),
		humanize.IBytes(uint64(t.Size)), humanize.Time(t.Since), t.Waiting)
	for _, from := range t.Sources {
		who := "from " + from.PeerID
		if from.PeerID == "" {
			who = "from other peers"
		}
		text += fmt.Sprintf(", %s by %s at %s/s", who, from.Road, humanize.IBytes(uint64(from.Rate)))
	}
	return text
}

func describeMember(m driver.Member) string {
	text := "lost " + humanize.Time(m.Since)
	if m.Connected {
		text = "connected " + humanize.Time(m.Since)
	}
	if m.Connected && !m.DataPort {
		text += ", blobs over libp2p"
	}
	if m.LastDelta != nil {
		text += ", last change " + humanize.Time(*m.LastDelta)
	}
	if !m.Trusted {
		text += ", not trusted"
	}
	if m.TrustDiffers {
		text += ", its trustedpeers differ"
	}
	return text
}
