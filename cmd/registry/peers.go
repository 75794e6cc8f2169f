package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func peersCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "peers <config>",
		Short: "Show who is connected to the running registry, how, and who is away",
		Long: "Show who is connected to the running registry, by which road and since when, how long a ping takes,\n" +
			"what goes to and fro, what was refused, and what went wrong last; and which members are away. Bytes and\n" +
			"refusals are since the start of the registry. To ask all registries of the swarm, use ipfs status --swarm.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			peers, err := askFor(cmd, args, (*driver.Client).Peers)
			if err != nil {
				return err
			}
			return printAnswer(cmd, asJSON, peers, func(peers driver.Peers) []section { return peersSections(peers, time.Now(), wide) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "print whole peer IDs and errors")
	return cmd
}

// peersSections are a table of those who are connected, one of those who are not, and what was refused.
func peersSections(peers driver.Peers, now time.Time, wide bool) []section {
	id := shortID
	if wide {
		id = func(peerID string) string { return peerID }
	}
	var here, away, refused section
	here.row("NAME", "PEER", "RANK", "VERSION", "SINCE", "ADDRESS", "ROAD", "BLOBS BY", "PING", "IN", "OUT", "IN NOW", "OUT NOW", "LAST ERROR")
	away.row("NAME", "PEER", "RANK", "VERSION", "LOST", "ADDRESS", "LAST ERROR")
	refused.row("NAME", "PEER", "WHAT")
	connected, called := 0, map[string]string{}
	for _, p := range peers.Peers {
		called[p.PeerID] = p.Name
	}
	for _, p := range peers.Peers {
		lastError := peerTroubleText(p.LastError, now, wide)
		if p.Connected {
			connected++
			here.row(append(linkRow(p, id(p.PeerID), byWayOf(p.Relay, called, id), now), lastError)...)
		} else {
			away.row(orDash(p.Name), id(p.PeerID), p.Rank, orDash(p.Version), sinceText(p.Since, now), orDash(p.Address), lastError)
		}
		if len(p.Refused) > 0 {
			refused.row(orDash(p.Name), id(p.PeerID), refusedText(p.Refused))
		}
	}
	here.title = fmt.Sprintf("PEERS  %d connected", connected)
	away.title = fmt.Sprintf("AWAY  %d", len(peers.Peers)-connected)
	refused.title = "REFUSED  since the start"
	if peers.More > 0 {
		here.title += fmt.Sprintf("; %d that are connected or away are not shown", peers.More)
	}
	if connected == 0 {
		here.rows = [][]string{{"none"}}
	}
	return []section{here, unlessEmpty(away), unlessEmpty(refused)}
}

// unlessEmpty is a table, or nothing when it has only its heads.
func unlessEmpty(s section) section {
	if len(s.rows) == 1 {
		s.rows = nil
	}
	return s
}

// linkRow is a peer that is connected, but for its last error.
func linkRow(p driver.PeerLink, id, by string, now time.Time) []string {
	road, ping := p.Road+by, "-"
	if p.Dialed {
		road += ", dialed"
	}
	blobs := "-"
	switch {
	case p.DataPort:
		blobs = "data port"
	case p.Rank == "trusted" || p.Rank == "member":
		blobs = "libp2p"
	}
	if p.RoundTrip != nil {
		ping = durationText(*p.RoundTrip)
	}
	return []string{
		orDash(p.Name), id, p.Rank, orDash(p.Version), sinceText(p.Since, now), orDash(p.Address), road, blobs, ping,
		bytesText(p.BytesIn), bytesText(p.BytesOut), rateText(p.RateIn), rateText(p.RateOut),
	}
}

// byWayOf names the member by way of which another one is connected, by its name, or else by its peer ID; "" when it is
// reached straight.
func byWayOf(relay string, called map[string]string, id func(string) string) string {
	if relay == "" {
		return ""
	}
	return " by way of " + cmp.Or(called[relay], id(relay))
}

func sinceText(since *time.Time, now time.Time) string {
	if since == nil {
		return "never met"
	}
	return humanize.RelTime(*since, now, "ago", "from now")
}

func refusedText(refused map[string]int64) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(refused)) {
		all = append(all, fmt.Sprintf("%d %s", refused[what], what))
	}
	return strings.Join(all, ", ")
}

func peerTroubleText(t *driver.PeerTrouble, now time.Time, wide bool) string {
	if t == nil {
		return "-"
	}
	text := []rune(t.Text)
	if !wide && len(text) > maxErrorText {
		text = append(text[:maxErrorText-1], '…')
	}
	return humanize.RelTime(t.At, now, "ago", "from now") + ": " + string(text)
}
