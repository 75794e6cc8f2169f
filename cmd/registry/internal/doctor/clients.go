package doctor

var (
	mirrorUnreadable = Kind{
		"mirror-unreadable", Warning,
		"The file is ignored, or each pull that it is for fails.",
		"Correct the file; containerd and Podman read it anew with each pull, CRI-O after `systemctl reload crio`, k3s and rke2 when they start.",
	}
	mirrorSilent = Kind{
		"mirror-silent", Warning,
		"It is tried first: each pull loses time, or fails.",
		"Correct the address, the scheme, `insecure` or the `ca` in the file, or start the registry there.",
	}
	mirrorAlone = Kind{
		"mirror-alone", Warning,
		"Nothing can be pulled on this machine while this registry restarts.",
		"Name another member as a further host below it, or a fallback as `server` (Podman and CRI-O: `location`).",
	}
)

var (
	mirrorIgnored = Kind{
		"mirror-ignored", Warning,
		"Pods' images are not pulled as the file says. Only `ctr --hosts-dir` and nerdctl read it.",
		"Set `config_path = \"/etc/containerd/certs.d\"` in the registry section of containerd's CRI plugin, and restart containerd. With k3s and rke2 write `registries.yaml` instead.",
	}
	mirrorWrong = Kind{
		"mirror-wrong", Warning,
		"Images are not pulled from this registry as the file means to.",
		"Name it by the address of `http.addr` with `http://` or `https://`, give it the capabilities `pull` and `resolve`, and name the directory as the images are, with the port.",
	}
)

func clientChecks() []Check {
	return []Check{{
		"containerd", "no file of containerd, Podman or CRI-O leads to this registry in vain", Configuration,
		[]Kind{mirrorUnreadable, mirrorIgnored, mirrorWrong, mirrorSilent, mirrorAlone},
		func(f Facts) (all []Finding) {
			for _, m := range f.Machine.Mirrors {
				all = append(all, checkMirror(m)...)
			}
			return all
		},
	}}
}

func checkMirror(m Mirror) (all []Finding) {
	if m.Trouble != "" {
		all = append(all, mirrorUnreadable.found(m.Path, "%s", m.Trouble))
	}
	if m.IgnoredBy != "" {
		all = append(all, mirrorIgnored.found(m.Path, "config_path in %s does not name its directory", m.IgnoredBy))
	}
	for _, wrong := range m.Wrong {
		all = append(all, mirrorWrong.found(m.Path, "%s", wrong))
	}
	for _, h := range m.Hosts {
		if h.Trouble != "" {
			all = append(all, mirrorSilent.found(m.Path, "%s does not answer: %s", h.URL, h.Trouble))
		}
	}
	if len(m.Hosts) > 0 && m.Alone {
		all = append(all, mirrorAlone.found(m.Path, "images of %s are pulled from this registry only", m.Of))
	}
	return all
}
