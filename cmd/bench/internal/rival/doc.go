// Package rival holds the programs against which the registry's transfers are measured: other
// ways of bringing a file from one disk to another.
//
//	http     Go's net/http over TLS 1.3, one connection, HTTP/1.1
//	tls      one raw TLS 1.3 connection
//	libp2p   one raw stream of a libp2p host with a protector key
//	bitswap  IPFS-Lite's GetFile as it comes, badger below it
//
// Each is two processes, so that their CPU time can be told apart and each can be
// in a network namespace of its own. Main runs either: the server offers files,
// the client fetches them, each on a line of its standard input.
//
//	bench rival serve http -listen 127.0.0.1:7000     → address 127.0.0.1:7000
//	  < /file                                         → offers NAME
//	bench rival fetch http -from ADDRESS -to out      → ready NOTE
//	  < NAME                                          → fetched BYTES NANOSECONDS
//
// A fetch ends when the file is written and synced. Connections are kept from one
// fetch to the next. A process ends with its standard input.
//
// Limits: a line is a file's name, so names have no line breaks. Clients are not
// authenticated: run it only where no other machine can reach it.
package rival
