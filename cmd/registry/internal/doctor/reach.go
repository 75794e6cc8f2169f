package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

var (
	dataPortOff = Kind{
		"data-port-off", Warning,
		"Members fetch blobs from this registry over libp2p streams, which are slower.",
		"Leave `dataaddrs` out for port 4620, and open it to the other registries.",
	}
	dataPortMoved = Kind{
		"data-port-moved", Warning,
		"A firewall that lets 4620 through does not let members through to this port.",
		"Stop what listens at 4620, or set `dataaddrs` to another port, and open that.",
	}
	dataPortClosed = Kind{
		"data-port-closed", Warning,
		"Blobs from it come over libp2p streams, which are slower.",
		"Open its TCP port 4620 (`dataaddrs`) to the other registries; behind a NAT, set `dataannounceaddrs` to the address that is forwarded.",
	}
	dataPortNone = Kind{
		"data-port-none", Warning,
		"Blobs from it come over libp2p streams, which are slower.",
		"Leave `dataaddrs` out of its configuration for port 4620, and open it to the other registries.",
	}
	byWayOf = Kind{
		"by-way-of", Warning,
		"What comes from it passes over that registry's line twice, and ends for a moment when that is gone.",
		"Open TCP ports 4619 and 4620 of one of the two to the other; behind a NAT, forward them, and set `announceaddrs` and `dataannounceaddrs`.",
	}
	portClosed = Kind{
		"port-closed", Warning,
		"It joins others only by dialing them itself: a newcomer that knows only this registry meets nobody, and two such registries meet only by way of a third one.",
		"Open its TCP port 4619 (`listenaddrs`) to the other registries.",
	}
	ownDataPortClosed = Kind{
		"own-data-port-closed", Warning,
		"They fetch blobs from this registry over libp2p streams, which are slower.",
		"Open TCP port 4620 (`dataaddrs`) to the other registries; behind a NAT, set `dataannounceaddrs` to the address that is forwarded.",
	}
	behindNAT = Kind{
		"behind-nat", Warning,
		"It joins others only by dialing them itself, and they fetch its blobs over the connections that it made.",
		"Forward ports 4619 and 4620 to this machine, and set `announceaddrs` and `dataannounceaddrs` to the address outside.",
	}
)

func reachChecks() []Check {
	return []Check{
		{"outside", "members reach this registry's ports", Dialed, []Kind{portClosed, ownDataPortClosed, behindNAT}, checkOutside},
		{"data port", "this registry and its members use data ports", Running, []Kind{dataPortOff, dataPortMoved, dataPortClosed, dataPortNone, byWayOf}, checkDataPorts},
	}
}

func checkDataPorts(f Facts) (all []Finding) {
	s := f.Status
	if s.Network != "private" {
		return nil // there is none
	}
	if len(s.DataAddresses) == 0 {
		return []Finding{dataPortOff.found("dataaddrs", "this registry has no data port")}
	}
	if is, ok := moved(f.Config.DataAddrs, s.DataAddresses); ok {
		all = append(all, dataPortMoved.found("dataaddrs", "port 4620 was in use at the start; the data port is %s", is))
	}
	for _, m := range f.connected() {
		open, outcome := f.dataPortOf(m)
		switch {
		case open:
		case m.Relay != "":
			all = append(all, byWayOf.found(called(m), "reached only by way of %s", f.nameOf(m.Relay)))
		case len(m.DataAddresses) == 0:
			all = append(all, dataPortNone.found(called(m), "it has no data port"))
		default:
			all = append(all, dataPortClosed.found(called(m), "its data port does not answer at %s%s", strings.Join(m.DataAddresses, ", "), outcome))
		}
	}
	return all
}

// nameOf is how a member is known by its peer ID.
func (f Facts) nameOf(id string) string {
	for _, m := range f.Status.Members {
		if m.PeerID == id {
			return called(m)
		}
	}
	return id
}

// dataPortOf reports whether a member's data port answers: as was just tried, or else as it was
// when blobs were last fetched.
func (f Facts) dataPortOf(m driver.Member) (open bool, outcome string) {
	if f.Reach != nil {
		i := slices.IndexFunc(f.Reach.Members, func(r driver.MemberReach) bool { return r.PeerID == m.PeerID })
		if i >= 0 && f.Reach.Members[i].DataPort != "" {
			is := f.Reach.Members[i].DataPort
			return is == reached, ": " + outcomes[is]
		}
	}
	return m.DataPort, ""
}

// reached is the outcome of a dial that met whom it was for.
const reached = "reached"

// outcomes are the other ones, in words.
var outcomes = map[string]string{
	"closed": "the connection is refused", "silent": "nothing answers", "other": "another peer answers", "failed": "the connection fails",
}

// checkOutside looks at what members said who were asked to dial this registry.
func checkOutside(f Facts) (all []Finding) {
	var lines, dataLines []string // of those who do not reach a port
	said, hidden := 0, true
	for _, m := range f.Reach.Members {
		switch {
		case !m.Asked:
			continue
		case m.Trouble != "":
			all = append(all, unknown(nameOf(m.Name, m.PeerID), "%s", m.Trouble))
			continue
		}
		said++
		if line, shut := unreached(m, false); shut {
			lines = append(lines, line)
			hidden = hidden && m.Seen != "" && !slices.ContainsFunc(f.Status.Addresses, func(a string) bool { return hostOf(a) == hostOf(m.Seen) })
		}
		if line, shut := unreached(m, true); shut && len(f.Status.DataAddresses) > 0 {
			dataLines = append(dataLines, line)
		}
	}
	if said == 0 && len(all) == 0 && f.Status.Network != "offline" {
		return []Finding{unknown("", "no member is connected that could try")}
	}
	switch {
	case len(lines) == 0:
	case hidden:
		return append(all, behindNAT.found("", "seen at addresses that it does not announce, and not reached there by %s", someOf(lines, said)))
	default:
		all = append(all, portClosed.found("listenaddrs", "not reached by %s", someOf(lines, said)))
	}
	if len(dataLines) > 0 {
		all = append(all, ownDataPortClosed.found("dataaddrs", "not reached by %s", someOf(dataLines, said)))
	}
	return all
}

// unreached says how a member did not reach a port of this registry: at none of its addresses.
func unreached(m driver.MemberReach, data bool) (line string, shut bool) {
	var tried []string
	for _, a := range m.Addresses {
		switch {
		case a.Data != data:
		case a.Outcome == reached:
			return "", false
		default:
			tried = append(tried, fmt.Sprintf("%s: %s", a.Address, outcomes[a.Outcome]))
		}
	}
	if len(tried) == 0 {
		tried = []string{"it may dial no address that is announced"}
	}
	return fmt.Sprintf("%s (%s)", nameOf(m.Name, m.PeerID), strings.Join(tried, "; ")), true
}

// someOf names some of those who said something, of so many.
func someOf(lines []string, said int) string {
	text := fmt.Sprintf("%d of %d members: %s", len(lines), said, strings.Join(lines[:min(len(lines), maxNamed)], ", "))
	if len(lines) > maxNamed {
		text += ", …"
	}
	return text
}

// hostOf is the host of a multiaddr.
func hostOf(address string) string {
	parts := strings.Split(address, "/")
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// moved is where a data port is that is configured to be at 4620, and is not.
func moved(configured, is []string) (at string, ok bool) {
	const port = "/tcp/4620"
	if len(configured) != 1 || !strings.HasSuffix(configured[0], port) || strings.HasSuffix(is[0], port) {
		return "", false
	}
	return is[0], true
}
