// Package uploads makes every registry of a swarm answer for every upload. An upload is
// kept by the registry where it began, its owner. Each Location that leads to it names the
// owner, signed with a secret of the swarm. A registry that receives a request for another
// registry's upload authenticates the client itself, and forwards the request over the
// connection between members.
package uploads

// protocol is the protocol by which members forward requests: HTTP/1.1 over a stream.
const protocol = "/distribution-ipfs/uploads/1.0.0"

// userHeader names the client's user to the owner; the member that sends it has
// authenticated the client.
const userHeader = "Distribution-Ipfs-User"
