package doctor

import (
	"fmt"
	"strings"
)

var (
	notReady = Kind{
		"not-ready", Broken,
		"`/readyz` is 503: load balancers send nothing here.",
		"Do what the reason says ([Probes](operations.md#probes)).",
	}
	notRunning = Kind{
		"not-running", Warning,
		"Only the configuration and this machine could be looked at.",
		"Start it with `registry serve`, or by its service.",
	}
	noAnswer = Kind{
		"no-answer", Broken,
		"It runs, and does not answer its operator: it hangs, or this machine has far too much to do.",
		"Ask again; if it stays so, look at its log, and restart it.",
	}
	twin = Kind{
		"twin", Broken,
		"Two registries run with one peer ID, from a copy of a machine, a datastore or a key: others mistake the writes of both for those of one, so both refuse pushes.",
		"Stop one of the two, remove its datastore and `privatekey`, and start it as a new registry ([Backup](operations.md#backup)).",
	}
	revoked = Kind{
		"revoked", Broken,
		"An operator shut this registry out for good (`registry ipfs revoke`): all others refuse it, what is pushed to it reaches nobody, and `/readyz` is 503.",
		"Switch it off. If that was a mistake, remove its datastore and `privatekey`, and start it as a new registry ([Revoking a registry](operations.md#revoking-a-registry)).",
	}
	readOnly = Kind{
		"read-only", Warning,
		"It serves pulls, and answers pushes and deletes with 405.",
		"Add its peer ID (`registry ipfs id`) to `trustedpeers` on every registry, or keep it out of what clients push through.",
	}
	drainingNow = Kind{
		"draining", Warning,
		"It takes no pushes, and others fetch what it kept.",
		"`registry ipfs drain --wait` says when it may be switched off; `registry ipfs undrain` ends it.",
	}
	hashDiffers = Kind{
		"hash-differs", Warning,
		"The whole swarm uses one function, the first that was configured: this key changes nothing.",
		"Take the swarm's function, or leave `hash` out.",
	}
	membersRefused = Kind{
		"members-refused", Warning,
		"Members asked for more than they may have: one of them is at fault, or this registry's memory and descriptors are too few for its swarm.",
		"The log names them, and how to shut one out; raise `LimitNOFILE` and memory if all are honest ([Limits](security.md#limits)).",
	}
	pushesRefused = Kind{
		"pushes-refused", Broken,
		"Pushes are not on `ackreplicas` disks in time, and are answered with 503.",
		"Bring back the members that the line names, or lower `ackreplicas`.",
	}
	garbageWaits = Kind{
		"garbage-waits", Warning,
		"No garbage is deleted, on any registry, until it has answered.",
		"Bring it back; if it is gone for good, `registry ipfs forget` it.",
	}
)

func registryChecks() []Check {
	return []Check{
		{
			"running", "the registry runs", Configuration, []Kind{notRunning, noAnswer},
			func(f Facts) (all []Finding) {
				switch {
				case f.Status != nil:
				case f.Late:
					all = append(all, noAnswer.found("", "%s", f.Silent))
				case f.Runs:
					all = append(all, unknown("", "%s", f.Silent))
				default:
					all = append(all, notRunning.found("", "%s", f.Silent))
				}
				return all
			},
		},
		{"ready", "the registry is ready", Running, []Kind{notReady, readOnly, drainingNow}, checkReady},
		{
			"revoked", "the registry was not shut out, as far as it knows", Running, []Kind{revoked},
			func(f Facts) (all []Finding) {
				if why := f.Status.Revoked; why != "" {
					all = append(all, revoked.found("", "%s", why))
				}
				return all
			},
		},
		{"twins", "no peer ID is that of two registries", Running, []Kind{twin}, checkTwins},
		{
			"hash", "new blobs are named as configured", Running, []Kind{hashDiffers},
			func(f Facts) (all []Finding) {
				if is := f.Config.Hash; is != "" && is != f.Status.Hash {
					all = append(all, hashDiffers.found("hash", "is %s, and the swarm uses %s", is, f.Status.Hash))
				}
				return all
			},
		},
		{"limits", "no member asks for too much", Running, []Kind{membersRefused}, checkLimits},
		{
			"acknowledgements", "no push waits in vain for other disks", Running, []Kind{pushesRefused},
			func(f Facts) (all []Finding) {
				if why := f.Status.Acks.Why; why != "" {
					all = append(all, pushesRefused.found("", "%s", why))
				}
				return all
			},
		},
		{
			"garbage", "garbage waits for nobody", Running, []Kind{garbageWaits},
			func(f Facts) (all []Finding) {
				for _, u := range f.Status.Garbage.WaitsFor {
					all = append(all, garbageWaits.found(nameOf(u.Name, u.PeerID), "%s", u.Reason))
				}
				return all
			},
		},
	}
}

func checkReady(f Facts) (all []Finding) {
	for _, why := range f.Status.NotReady {
		if why != f.Status.Twin && why != f.Status.Revoked { // these have checks of their own
			all = append(all, notReady.found("", "%s", why))
		}
	}
	if f.Status.ReadOnly && f.Status.Revoked == "" {
		all = append(all, readOnly.found("", "this registry is not in its own trustedpeers"))
	}
	if f.Status.Copies.Draining {
		all = append(all, drainingNow.found("", "this registry is being drained"))
	}
	for _, m := range f.connected() {
		if m.Draining {
			all = append(all, drainingNow.found(called(m), "is being drained"))
		}
	}
	return all
}

func checkTwins(f Facts) (all []Finding) {
	if why := f.Status.Twin; why != "" {
		all = append(all, twin.found("", "%s", why))
	}
	for _, m := range f.Status.Members {
		if m.Twin {
			all = append(all, twin.found(called(m), "two registries run with its peer ID %s", m.PeerID))
		}
	}
	return all
}

func checkLimits(f Facts) (all []Finding) {
	for _, l := range f.Status.Limits {
		var by []string
		for _, rank := range []string{"member", "trusted"} {
			if n := l.Refused[rank]; n > 0 {
				by = append(by, fmt.Sprintf("%d (%s)", n, rank))
			}
		}
		if len(by) > 0 {
			all = append(all, membersRefused.found("", "%s were refused since the start: %s", l.What, strings.Join(by, ", ")))
		}
	}
	return all
}
