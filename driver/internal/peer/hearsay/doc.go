// Package hearsay decides about addresses that one peer names of another: which of them may be
// dialed at all, and how often, so that a peer that lies makes this one call few others in vain.
//
//	addrs := hearsay.Network{Nets: hearsay.Attached()}.Useful(teller, named)
//	try, ok := book.Begin(limit.Address(teller), addrs, time.Now())
//	if ok {
//		book.End(try, failed, time.Now()) // after dialing try.Addrs
//	}
//
// What is dialed with success costs nothing. A dial that fails is charged to the site that named
// the address, to the host that was dialed, and to its port. What one site named is the same
// whichever peer of it said so: identities cost nothing.
//
// Limits: it only decides; time is passed in. A Book remembers up to maxKept sites, hosts and
// ports each, and allows nothing new while all of these are charged with something. Names (DNS)
// are charged to the site alone; what they lead to is checked with MayLead, and Charge.
package hearsay
