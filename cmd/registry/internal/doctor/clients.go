package doctor

var (
	mirrorUnreadable = Kind{
		"mirror-unreadable", Warning,
		"containerd ignores the file, or fails each pull that it is for.",
		"Correct the file; containerd reads it anew with each pull, k3s and rke2 when they start.",
	}
	mirrorSilent = Kind{
		"mirror-silent", Warning,
		"containerd tries it first and loses time with each pull, or fails.",
		"Correct the address, the scheme or the `ca` in the file, or start the registry there.",
	}
	mirrorAlone = Kind{
		"mirror-alone", Warning,
		"Nothing can be pulled on this machine while this registry restarts.",
		"Name another member as a further host below it, or a fallback as `server`.",
	}
)

func clientChecks() []Check {
	return []Check{{
		"containerd", "no file of containerd leads to this registry in vain", Configuration, []Kind{mirrorUnreadable, mirrorSilent, mirrorAlone},
		func(f Facts) (all []Finding) {
			for _, m := range f.Machine.Mirrors {
				if m.Trouble != "" {
					all = append(all, mirrorUnreadable.found(m.Path, "%s", m.Trouble))
				}
				for _, h := range m.Hosts {
					if h.Trouble != "" {
						all = append(all, mirrorSilent.found(m.Path, "%s does not answer: %s", h.URL, h.Trouble))
					}
				}
				if len(m.Hosts) > 0 && m.Alone {
					all = append(all, mirrorAlone.found(m.Path, "images of %s are pulled from this registry only", m.Of))
				}
			}
			return all
		},
	}}
}
