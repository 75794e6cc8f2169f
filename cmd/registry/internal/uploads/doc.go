// Package uploads makes every registry of a swarm answer for every upload. An upload is
// kept by the registry where it began, its owner. Each Location that leads to it names the
// owner, signed with a secret of the swarm. A registry that receives a request for another
// registry's upload authenticates the client itself, and forwards the request over the
// connection between members.
//
//	l, err := uploads.Listen(driver)                       // no member is answered yet
//	handler := uploads.New(driver, access, config, routes, next)   // next answers for our own uploads
//	server := uploads.Serve(l, handler)                    // members are answered
//	defer server.Shutdown(ctx)
//
// Limits: it works on a private network only, whose registries share the secret. An upload
// ends with its owner: when that registry is gone, the client has to start again.
package uploads

// protocol is the protocol by which members forward requests: HTTP/1.1 over a stream.
const protocol = "/distribution-ipfs/uploads/1.0.0"

// userHeader names the client's user to the owner; the member that sends it has
// authenticated the client.
const userHeader = "Distribution-Ipfs-User"
