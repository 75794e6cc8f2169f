package main

import (
	"fmt"
	"strconv"
	"time"
)

// grace is the registries' gcgrace.
const grace = 4 * time.Second

// lines are those of the registries' configuration: everything is as short, or as small, as
// it may be. Their logs say which blobs left a disk, and why.
func (t *trial) lines() []string {
	n := t.o.replicas
	return []string{
		fmt.Sprintf("replicas: %d", n), fmt.Sprintf("ackreplicas: %d", n), "acktimeout: 10s", "repairdelay: 3s",
		"gcgrace: " + grace.String(), "gcinterval: 1m", "cachesize: 1MiB", "scrubinterval: 1m",
		"keepchanges: " + strconv.Itoa(keptChanges), "alonetimeout: 5s", "fetchtimeout: 10s", "loglevel: debug",
	}
}
