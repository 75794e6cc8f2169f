// Package summary is both ends of the question by which the registries of a swarm tell each other
// how they are: for `registry ipfs status --swarm`, which shows all of them in one table.
//
//	s, err := summary.Serve(peer, say, log) // say returns this registry's Summary
//	got, err := s.Ask(ctx, member)
//	err = s.Close()
//
// A question is a stream of Protocol with one line of JSON, which says nothing yet, and its answer
// is a Summary as JSON. Trusted members tell trusted members; any other is told that it is not.
// Fields may be added, and none may change: releases differ within a swarm.
//
// Limits: what a member says of itself is not checked, only bounded and made printable. An answer
// has at most MaxSize bytes, and has to come within AskTime. How many questions are answered at
// once is up to the budget (package limit).
package summary
