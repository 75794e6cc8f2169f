package doctor

import "github.com/dustin/go-humanize"

const (
	keptFree   = 128 << 20 // bytes: below these nothing is written that has not begun
	keptInodes = 256       // likewise
	lowPercent = 5         // of a disk

	fewDescriptors = 4096 // of a process
	fullDescriptor = 90   // percent of them
)

var (
	dataUnwritable = Kind{
		"data-unwritable", Broken,
		"The registry does not start, or takes no pushes.",
		"Give the directory to the registry's user, on a disk that can be written.",
	}
	dataExposed = Kind{
		"data-exposed", Warning,
		"Every user of this machine can read the images, and the peer's key.",
		"`chmod -R o=` the directory.",
	}
	diskFull = Kind{
		"disk-full", Broken,
		"A registry takes no pushes with less than 128 MiB, keeps nothing that it fetches, and streams pulls past the disk.",
		"On that registry: add disk, delete images and collect garbage, or give it a smaller `capacity` ([When the disk fills](operations.md#when-the-disk-fills)).",
	}
	diskLow = Kind{
		"disk-low", Warning,
		"Pushes are refused once only the reserve is left.",
		"Set `minfree`, which has cache give way, or add disk ([When the disk fills](operations.md#when-the-disk-fills)).",
	}
	inodesLow = Kind{
		"inodes-low", Broken,
		"A registry takes no pushes with fewer than 256 inodes: each blob is a file.",
		"Delete what else lies on this disk, or move `datastorepath` to one with more inodes.",
	}
	descriptorsFew = Kind{
		"descriptors-few", Warning,
		"Bounds on clients and members follow from the number of descriptors: with so few, a busy registry refuses some of them.",
		"Set `LimitNOFILE=65536` in the service's unit, or `ulimit -n 65536` before the start.",
	}
	descriptorsShort = Kind{
		"descriptors-short", Broken,
		"Connections and uploads are refused when none is left.",
		"Set `LimitNOFILE=65536` in the service's unit and restart it; `status` shows under `refused` who takes them.",
	}
	portTaken = Kind{
		"port-taken", Broken,
		"The registry does not start.",
		"Stop what listens there (`ss -ltnp` names it), or choose another port.",
	}
)

func machineChecks() []Check {
	return []Check{
		{"storage", "datastorepath can be written, and read by the registry's user only", Configuration, []Kind{dataUnwritable, dataExposed}, checkData},
		{"room", "there is room on the disks", Configuration, []Kind{diskFull, diskLow, inodesLow}, checkRoom},
		{"descriptors", "there are file descriptors left", Running, []Kind{descriptorsFew, descriptorsShort}, checkDescriptors},
		{"ports", "no other program has a port of this registry", Configuration, []Kind{portTaken}, checkPorts},
	}
}

func checkData(f Facts) (all []Finding) {
	if d := f.Machine.Data; d.Unknown != "" {
		all = append(all, unknown("datastorepath", "%s", d.Unknown))
	} else if d.Trouble != "" {
		all = append(all, dataUnwritable.found("datastorepath", "%s: %s", d.Path, d.Trouble))
	} else if d.Exposed {
		all = append(all, dataExposed.found("datastorepath", "every user of this machine can read %s", d.Path))
	}
	return all
}

// checkRoom looks at this registry's disk, and at what members say of theirs.
func checkRoom(f Facts) (all []Finding) {
	if d := f.Machine.Disk; d != nil {
		switch {
		case d.Free < keptFree:
			all = append(all, diskFull.found("", "%s are free of %s", humanize.IBytes(d.Free), humanize.IBytes(d.Total)))
		case d.Free < d.Total/100*lowPercent:
			all = append(all, diskLow.found("", "%s are free of %s", humanize.IBytes(d.Free), humanize.IBytes(d.Total)))
		}
		if d.TotalInodes > 0 && d.Inodes < keptInodes {
			all = append(all, inodesLow.found("", "%d inodes are free of %d", d.Inodes, d.TotalInodes))
		}
	} else {
		all = append(all, unknown("", "the disk of %s cannot be looked at", f.Machine.Data.Path))
	}
	for _, m := range f.connected() {
		if m.FreeBytes != nil && *m.FreeBytes < keptFree {
			all = append(all, diskFull.found(called(m), "%s are free", humanize.IBytes(uint64(max(0, *m.FreeBytes)))))
		}
	}
	return all
}

func checkDescriptors(f Facts) []Finding {
	d := f.Status.Descriptors
	switch {
	case d.Limit == 0:
		return []Finding{unknown("", "the running registry does not say how many it may have")}
	case d.Open > d.Limit/100*fullDescriptor:
		return []Finding{descriptorsShort.found("", "%d file descriptors are open of %d", d.Open, d.Limit)}
	case d.Limit < fewDescriptors:
		return []Finding{descriptorsFew.found("", "the process may have %d file descriptors", d.Limit)}
	}
	return nil
}

func checkPorts(f Facts) (all []Finding) {
	if f.Status == nil && f.Runs {
		return []Finding{unknown("", "they are not tried while the registry may have them")}
	}
	for _, p := range f.Machine.Ports {
		all = append(all, portTaken.found(p.Key, "%s: %s", p.Address, p.Trouble))
	}
	return all
}
