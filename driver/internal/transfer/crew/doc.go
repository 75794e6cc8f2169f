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
// Limits: it counts, and starts no goroutine. A seat that was taken is not taken away: a
// transfer that has none gets one after a moment all the same, so that more may be taken
// than there are, one for each transfer.
package crew
