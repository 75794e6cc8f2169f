package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxErrorText is how much of a member's last error the table shows, in characters.
const maxErrorText = 60

// showSwarm prints how all registries of the swarm are, as the running one is told by them.
func showSwarm(cmd *cobra.Command, args []string, asJSON, wide bool) error {
	s, err := askFor(cmd, args, (*driver.Client).Swarm)
	if err != nil {
		return err
	}
	return printAnswer(cmd, asJSON, s, func(s driver.SwarmStatus) []section { return swarmSections(s, time.Now(), wide) })
}

// swarmSections are the table of a swarm, whose disk is full, and who is missing in it.
func swarmSections(s driver.SwarmStatus, now time.Time, wide bool) []section {
	id := shortID
	if wide {
		id = func(peerID string) string { return peerID }
	}
	var table, full, missing section
	table.row("NAME", "PEER", "VERSION", "UP SINCE", "MAP", "KEPT", "CACHE", "ONLY HERE", "FREE", "TRANSFERS", "IN", "OUT", "LAST ERROR")
	full.row("NAME", "PEER", "COPIES", "WHAT TO DO")
	missing.row("NAME", "PEER", "WHY")
	silent := 0
	for _, m := range s.Members {
		table.row(swarmRow(m, id, now, wide)...)
		if m.NoRoom != nil {
			full.row(orDash(m.Name), id(m.PeerID), fmt.Sprint(m.NoRoom.Blobs), lackText(m.NoRoom.Bytes))
		}
		if m.Trouble != "" {
			silent++
			missing.row(orDash(m.Name), id(m.PeerID), m.Trouble)
		}
	}
	table.title = fmt.Sprintf("SWARM  %d of %s answered", len(s.Members)-silent, counted(len(s.Members), "registry"))
	full.title = "NO ROOM  for copies that these are to keep"
	if len(full.rows) == 1 {
		full.rows = nil
	}
	missing.title = "NO ANSWER  of these the table has what their heartbeats said"
	if silent == 0 {
		missing.rows = nil
	}
	return []section{table, full, missing}
}

func swarmRow(m driver.SwarmMember, id func(string) string, now time.Time, wide bool) []string {
	ago := func(t time.Time) string { return humanize.RelTime(t, now, "ago", "from now") }
	amount := func(a *driver.BlobAmount) string {
		if a == nil {
			return "-"
		}
		return amountText(*a)
	}
	row := []string{orDash(m.Name), id(m.PeerID), orDash(m.Version), "-", swarmMapText(m), amount(m.Kept), amount(m.Cache),
		amount(m.OnlyHere), "-", "-", rateText(m.RateIn), rateText(m.RateOut), "-"}
	if m.UpSince != nil {
		row[3] = ago(*m.UpSince)
	}
	if m.FreeBytes != nil {
		row[8] = bytesText(*m.FreeBytes)
	}
	if m.Transfers != nil {
		row[9] = fmt.Sprint(*m.Transfers)
	}
	if e := m.LastError; e != nil {
		text := []rune(e.Text)
		if !wide && len(text) > maxErrorText {
			text = append(text[:maxErrorText-1], '…')
		}
		row[12] = ago(e.At) + ": " + string(text)
	}
	return row
}

// swarmMapText compares a member's map with that of the registry that was asked.
func swarmMapText(m driver.SwarmMember) string {
	switch {
	case m.Self:
		return "this one"
	case m.Map == nil:
		return "-"
	case m.Map.State == "behind" && m.Map.AtLeast:
		return fmt.Sprintf("behind by over %d", m.Map.Behind)
	case m.Map.State == "behind":
		return fmt.Sprintf("behind by %d", m.Map.Behind)
	case m.Map.State == "other":
		return "differs"
	}
	return m.Map.State
}

func rateText(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return perSecond(*rate)
}
