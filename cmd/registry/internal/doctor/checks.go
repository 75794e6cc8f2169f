package doctor

import (
	"cmp"
	"slices"
)

// Check looks at one side of the facts.
type Check struct {
	Name  string
	Fine  string // what holds when it finds nothing
	Needs Need
	Kinds []Kind // that it may find
	find  func(Facts) []Finding
}

// Need is what a check has to know.
type Need int

// What has to be known.
const (
	Nothing Need = iota
	Configuration
	Running // the running registry has answered
	Said    // it has asked its members how they are
	Dialed  // it and its members have dialed each other
)

// Checks are all checks, in the order in which they are made.
func Checks() []Check {
	return slices.Concat(configurationChecks(), machineChecks(), httpChecks(), clientChecks(),
		registryChecks(), swarmChecks(), saidChecks(), reachChecks(), bytesChecks())
}

// Examine makes all checks. Each gives one finding at least.
func Examine(f Facts) (all []Finding) {
	for _, c := range Checks() {
		of := []Finding{}
		if why := f.lacks(c.Needs); why != "" {
			of = append(of, unknown("", "%s", why))
		} else {
			of = c.find(f)
		}
		if len(of) == 0 {
			of = []Finding{{Severity: OK, What: c.Fine}}
		}
		for _, found := range of {
			found.Check = c.Name
			all = append(all, found)
		}
	}
	return all
}

// lacks is why something is not known; "" when it is.
func (f Facts) lacks(need Need) string {
	switch {
	case need == Nothing:
		return ""
	case f.Config.Trouble != "":
		return "the configuration cannot be used"
	case need >= Running && f.Status == nil:
		return f.Silent
	case need == Said && f.Swarm == nil:
		return "the running registry did not ask its members: " + cmp.Or(f.NoSwarm, "it is of an earlier release, or busy")
	case need == Dialed && f.Reach == nil:
		return "the running registry did not say it: " + cmp.Or(f.NoReach, "it is of an earlier release, or was just asked by another")
	}
	return ""
}
