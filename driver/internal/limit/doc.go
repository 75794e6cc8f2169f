// Package limit bounds what one peer, one address and one kind of peer may take of this
// registry, so that one of them costs little and stops nobody. What is over a bound is refused
// at once, counted, and logged once a peer; nobody is made to wait.
//
// A Budget holds the bounds of everything, whose numbers are in one table (table.go), made of
// the memory and the descriptors that this process may have:
//
//	b := limit.NewBudget(limit.ThisMachine(), log)
//	requests := b.Bound(limit.Requests)
//	leave, ok := requests.Enter(limit.Source{Peer: id, Address: limit.Address(ip), Rank: limit.Member})
//	if !ok {
//		return errBusy
//	}
//	defer leave()
//
// Of each thing some are reserved by Rank: of connections, say, that trusted members may have
// 4096 of, strangers may have 64. A peer and an address have bounds of their own beside that.
// An address is counted for each rank by itself, so that strangers behind a NAT do not take
// what the members behind it may have.
//
// Limits: a bound's memory grows with the things that are in it, and so with its total; that of
// a Rate is bounded by maxBuckets. That a peer keeps to its bound with many identities is up to
// the bound an address, and that it does with many addresses to that of its rank.
package limit
