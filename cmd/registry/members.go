package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func membersCommand() *cobra.Command {
	var asJSON, wide bool
	cmd := &cobra.Command{
		Use:   "members <config>",
		Short: "Show all registries that the running one knows, and what it takes them for",
		Long: "Show all registries that the running one knows: that are connected or away, that the swarm's list of members or its lists of peers name,\n" +
			"or that once wrote to its path map; whether their changes count and they get connections, and what waits for them.\n" +
			"ipfs forget takes one out that is gone for good, ipfs revoke shuts one out. How they are connected says ipfs peers.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			known, err := askFor(cmd, args, (*driver.Client).Members)
			if err != nil {
				return err
			}
			return printAnswer(cmd, asJSON, known, func(known driver.KnownMembers) []section { return membersSections(known, time.Now(), wide) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "print whole peer IDs and what each understands")
	return cmd
}

// membersSections are a table of all, and why anything waits for some of them.
func membersSections(known driver.KnownMembers, now time.Time, wide bool) []section {
	id := shortID
	if wide {
		id = func(peerID string) string { return peerID }
	}
	var all, waits section
	head := []string{"NAME", "PEER", "STATE", "FIRST SEEN", "LAST HEARD", "IN THE LIST", "VERSION", "COUNTS", "HOLDS UP", "FORGOTTEN"}
	if wide {
		head = append(head, "UNDERSTANDS")
	}
	all.row(head...)
	waits.row("NAME", "PEER", "WHY")
	connected, revoked := 0, 0
	for _, m := range known.Members {
		switch m.State {
		case "connected":
			connected++
		case "revoked":
			revoked++
		}
		row := []string{
			orDash(m.Name), id(m.PeerID), m.State, agoText(m.FirstSeen, now), agoText(m.LastHeard, now), agoText(m.Listed, now), orDash(m.Version), countsText(m),
			orDash(strings.Join(m.HoldsUp, ", ")), forgottenText(m, now),
		}
		if wide {
			row = append(row, orDash(strings.Join(m.Capabilities, " ")))
		}
		all.row(row...)
		if len(m.HoldsUp) > 0 {
			waits.row(orDash(m.Name), id(m.PeerID), m.WaitsBecause)
		}
	}
	all.title = fmt.Sprintf("MEMBERS  %d known, %d connected", len(known.Members)-revoked, connected)
	waits.title = "WAITED FOR  `registry ipfs forget` ends that for one that is gone for good"
	if len(known.Members) == 0 {
		all.rows = [][]string{{"none"}}
	}
	return []section{all, unlessEmpty(waits)}
}

func agoText(at *time.Time, now time.Time) string {
	if at == nil {
		return "-"
	}
	return humanize.RelTime(*at, now, "ago", "from now")
}

// countsText is what a registry may do here.
func countsText(m driver.KnownMember) string {
	switch {
	case m.Revoked != nil:
		return "shut out"
	case !m.Allowed:
		return "not allowed"
	case !m.Trusted:
		return "not trusted"
	}
	return "trusted"
}

// forgottenText is when a member is forgotten that stays away.
func forgottenText(m driver.KnownMember, now time.Time) string {
	switch {
	case m.State != "away":
		return "-"
	case m.ForgottenIn == nil:
		return "never" // a bootstrapper
	}
	return humanize.RelTime(now.Add(*m.ForgottenIn), now, "ago", "from now")
}
