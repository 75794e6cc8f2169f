// Package doctor decides what is wrong with a registry and its swarm, of facts that others have
// gathered: what its configuration says, what this machine is like, and what the running registry
// says of itself and of the members.
//
//	for _, f := range doctor.Examine(facts) {
//		fmt.Println(f.Severity, f.Check, f.Subject, f.What, f.Means, f.Remedy)
//	}
//
// Limits: it reads no file, asks nobody, and knows no clock but Facts.At. What is not known gives
// findings of severity Unknown, which are no faults.
package doctor
