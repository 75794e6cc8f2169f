package doctor

import "strings"

var (
	dataPortOff = Kind{
		"data-port-off", Warning,
		"Members fetch blobs from this registry over libp2p streams, at about half the speed.",
		"Leave `dataaddrs` out for port 4620, and open it to the other registries.",
	}
	dataPortMoved = Kind{
		"data-port-moved", Warning,
		"A firewall that lets 4620 through does not let members through to this port.",
		"Stop what listens at 4620, or set `dataaddrs` to another port, and open that.",
	}
	dataPortClosed = Kind{
		"data-port-closed", Warning,
		"Blobs from it come over libp2p streams, at about half the speed.",
		"Open its TCP port 4620 (`dataaddrs`) to the other registries; behind a NAT, set `dataannounceaddrs` to the address that is forwarded.",
	}
	dataPortNone = Kind{
		"data-port-none", Warning,
		"Blobs from it come over libp2p streams, at about half the speed.",
		"Leave `dataaddrs` out of its configuration for port 4620, and open it to the other registries.",
	}
)

func reachChecks() []Check {
	return []Check{
		{"data port", "this registry and its members use data ports", Running, []Kind{dataPortOff, dataPortMoved, dataPortClosed, dataPortNone}, checkDataPorts},
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
		switch {
		case m.DataPort:
		case len(m.DataAddresses) == 0:
			all = append(all, dataPortNone.found(called(m), "it has no data port"))
		default:
			all = append(all, dataPortClosed.found(called(m), "its data port does not answer at %s", strings.Join(m.DataAddresses, ", ")))
		}
	}
	return all
}

// moved is where a data port is that is configured to be at 4620, and is not.
func moved(configured, is []string) (at string, ok bool) {
	const port = "/tcp/4620"
	if len(configured) != 1 || !strings.HasSuffix(configured[0], port) || strings.HasSuffix(is[0], port) {
		return "", false
	}
	return is[0], true
}
