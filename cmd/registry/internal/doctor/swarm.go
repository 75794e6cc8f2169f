package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

var (
	aloneNow = Kind{
		"alone", Broken,
		"It serves what it has, and hears of no push elsewhere.",
		"See that this registry and one bootstrapper reach each other's port 4619, with the same protector key and `pubsubtopic`.",
	}
	memberAway = Kind{
		"member-away", Warning,
		"Blobs that only it has cannot be pulled, and no garbage is deleted meanwhile.",
		"Start it, or see what cuts it off; if it is gone for good, `registry ipfs forget` it.",
	}
	bootstrapperNotMet = Kind{
		"bootstrapper-not-met", Warning,
		"If all others are away at a start, this registry joins nobody.",
		"Do what the line says, or take it out of `bootstrappers`.",
	}
	notFollowed = Kind{
		"not-followed", Broken,
		"This registry takes none of the changes after one that it refuses, or cannot read, from any member: it lacks what was pushed since.",
		"Run the same release everywhere; take a registry that writes such changes out of `trustedpeers`. If the history is missing, start a registry that has it; if a signature, do what `status` says.",
	}
	trustDiffers = Kind{
		"trust-differs", Warning,
		"Its changes or this registry's count on some registries and not on others.",
		"Give all registries the same `trustedpeers`.",
	}
	notTrusted = Kind{
		"not-trusted", Warning,
		"What is pushed there does not appear here.",
		"Add its peer ID to `trustedpeers` on every registry; if nobody knows it, change the protector key.",
	}
	versionsDiffer = Kind{
		"versions-differ", Warning,
		"Releases work together, but what is new in one begins only when all have it.",
		"Upgrade the others, one at a time ([Upgrade notes](upgrading.md)).",
	}
)

func swarmChecks() []Check {
	return []Check{
		{"members", "all members are connected", Running, []Kind{aloneNow, memberAway}, checkMembers},
		{
			"bootstrappers", "all bootstrappers have been met", Running, []Kind{bootstrapperNotMet},
			func(f Facts) (all []Finding) {
				for _, b := range f.Status.Bootstrappers {
					if !b.Met {
						of := b.Called()
						if b.PeerID != "" {
							of = f.name(of)
						}
						all = append(all, bootstrapperNotMet.found(of, "%s", cmp.Or(b.Trouble, "no answer yet")))
					}
				}
				return all
			},
		},
		{
			"changes", "the changes of all members are taken", Running, []Kind{notFollowed},
			func(f Facts) (all []Finding) {
				for _, m := range f.Status.Members {
					if n := m.NotFollowed; n != nil {
						all = append(all, notFollowed.found(called(m), "since %s: %s", n.Since.UTC().Format("2006-01-02 15:04"), n.Reason))
					}
				}
				return all
			},
		},
		{"trust", "all members trust the same", Running, []Kind{trustDiffers, notTrusted}, checkTrust},
		{"versions", "all members are of one release", Running, []Kind{versionsDiffer}, checkVersions},
	}
}

func checkMembers(f Facts) (all []Finding) {
	s := f.Status
	if s.Network == "offline" {
		return nil
	}
	if len(f.connected()) == 0 && len(s.Members)+len(s.Bootstrappers) > 0 {
		all = append(all, aloneNow.found("", "no member is connected"))
	}
	for _, m := range s.Members {
		if !m.Connected {
			all = append(all, memberAway.found(called(m), "lost %s", humanize.RelTime(m.Since, f.At, "ago", "from now")))
		}
	}
	return all
}

func checkTrust(f Facts) (all []Finding) {
	for _, m := range f.Status.Members {
		if m.TrustDiffers {
			all = append(all, trustDiffers.found(called(m), "its trustedpeers is another list"))
		}
		if m.Connected && !m.Trusted {
			all = append(all, notTrusted.found(called(m), "is not in this registry's trustedpeers"))
		}
	}
	return all
}

// checkVersions names the releases that are not this registry's.
func checkVersions(f Facts) (all []Finding) {
	others := map[string][]string{}
	for _, m := range f.connected() {
		if m.Trusted && m.Version == "" && !m.Greeted {
			all = append(all, unknown(called(m), "it has just been connected, and has not said yet"))
			continue
		}
		if v := cmp.Or(m.Version, "an earlier release"); m.Trusted && v != f.Status.Version {
			others[v] = append(others[v], called(m))
		}
	}
	if len(others) == 0 {
		return all
	}
	var parts []string
	for version, members := range others {
		slices.Sort(members)
		parts = append(parts, fmt.Sprintf("%s: %s", version, strings.Join(members, ", ")))
	}
	slices.Sort(parts)
	return append(all, versionsDiffer.found("", "this registry is of %s; of %s", f.Status.Version, strings.Join(parts, "; of ")))
}

// connected are the members that are here now.
func (f Facts) connected() (all []driver.Member) {
	if f.Status == nil {
		return nil
	}
	for _, m := range f.Status.Members {
		if m.Connected {
			all = append(all, m)
		}
	}
	return all
}

// called is a member as its operator knows it.
func called(m driver.Member) string { return nameOf(m.Name, m.PeerID) }

// nameOf is a name, followed by the end of the peer ID: two members may have one name.
func nameOf(name, id string) string {
	end := id[max(0, len(id)-8):]
	if name == "" {
		return end
	}
	return fmt.Sprintf("%s (%s)", name, end)
}

// name is what a member is called, by its peer ID.
func (f Facts) name(id string) string {
	for _, m := range f.Status.Members {
		if m.PeerID == id {
			return called(m)
		}
	}
	return nameOf("", id)
}
