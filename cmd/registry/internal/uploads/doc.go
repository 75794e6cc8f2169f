// Package uploads has every registry of a swarm answer for every upload. An upload lies
// on the registry where it began, its owner. Each Location that leads to it names the
// owner, signed with a secret of the swarm, and a registry that is asked about another's
// upload lets the client in itself and hands the request on over the members' own
// connection.
package uploads

// protocol is what members hand requests on with: HTTP/1.1 over a stream.
const protocol = "/distribution-ipfs/uploads/1.0.0"

// userHeader tells the owner who the client is; the member that sends it let it in.
const userHeader = "Distribution-Ipfs-User"
