// Package crew shares the workers of a registry among its transfers.
//
//	all := crew.New(crew.Seats)
//	mine := all.Join() // one for each transfer
//	defer mine.Leave()
//	if mine.Take(urgent, calm) {
//		… // receive some leaves
//		mine.Give(1)
//	} else {
//		<-mine.Wake() // then try again
//	}
//
// Limits: a crew only counts seats, and starts no goroutine. It takes no seat away. A transfer that
// has none gets one after a moment even when none is free, so that more seats may be taken than
// there are, by at most one for each transfer.
package crew
