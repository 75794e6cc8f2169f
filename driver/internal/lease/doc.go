// Package lease decides what a garbage collection may delete, and what a registry has to
// write anew so that nothing is deleted on which it relies. It only decides: state and time
// are passed in, and nothing in it waits, locks or sends.
//
// An entry is a lease: a delete names the versions of an entry, so a version that the
// collector has not seen survives it. Five rules follow (docs/decisions/0019-garbage.md says
// why they hold; the model in this package's tests plays them):
//
//  1. Renew. A request that lets a client rely on an entry is a reliance from before it looks
//     the entry up until what relies on it is on disk. It writes the entry anew, unless a
//     version is alive that this registry wrote in this run, newer than what it was asked to
//     let lapse, and no older than a quarter of the grace.
//
//     n := reliances.Begin()
//     since, ok := own.Since(now.Add(-lease.RenewAfter(grace)))
//     renew := !(ok && counter > since)
//     … // write, and answer
//     reliances.End(n)
//
//  2. Mark twice. What is unused, with its versions, and the greatest counter of all versions
//     are kept on disk. A grace later, what is unused again and has no other version goes.
//
//     mark := lease.NewMark(clock.Read(time.Now()), counter, unused)
//     …
//     for path, versions := range mark.Expired(unused) { … }
//
//  3. Hear everybody. Between the two, each known member is asked to let the mark's counter
//     lapse, to end the reliances that began before, and then to name its heads; all of these
//     are merged before the second mark.
//
//     until, missing := mark.Waits(now, grace, known, heard)
//
//  4. Bytes go when nothing has named them and nobody has asked for them for a quarter of the
//     grace, and each known member was heard since. Who relies on bytes that are elsewhere
//     asks who holds them, within the reliance.
//
//     if lease.BytesMayGo(last, now, grace, known, heard) { … }
//
//  5. Return from oblivion. A delete that did not wait for a writer says so beside it, in
//     the map, with what had been merged of it before the second view. Where a live manifest
//     of that writer is newer, what it refers to and is missing is written anew, where its
//     bytes are.
//
//     unheard := lease.Unheard(known, merged) // before the second view
//
//     for path := range lease.Missing(forgotten, manifests) { … }
//
// Grace and running time are courtesies to clients, who get at least three quarters of the
// grace from the answer to a HEAD to their manifest. No rule is unsafe with a grace of zero,
// with another grace on another registry, or with clocks that stand still or jump.
//
// Limits: members must run a release that answers a hearing; others hold a collection up.
// What a client deletes on purpose is not protected. Who holds bytes has to be asked within
// the reliance: an answer that was remembered from before it says nothing.
package lease
