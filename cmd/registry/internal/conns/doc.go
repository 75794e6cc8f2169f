// Package conns bounds what HTTP clients can take without a login: connections, the time until
// a request has come, and the time in which nothing moves.
//
//	guard := conns.Guard(server, conns.Most()) // before it serves
//	prometheus.MustRegister(guard)
//	handler = conns.Moving(handler)
//
// A connection that waits, for a request or for the rest of its header, is closed when others
// need its place, the one that has waited longest first; one address has at most a quarter of
// all connections waiting, and three quarters of all. A reverse proxy in front, behind whose
// address all clients are, waits with few, and has room with the rest. A request goes on for as
// long as its bytes move, however slowly: see Moving.
//
// Limits: it cannot tell a proxy from a client. Many addresses together can take all places with
// requests that move slowly, if they may read or write at all.
package conns
