// Package lab makes networks for measurements and tests: network namespaces on this machine,
// joined by a link with a given round trip, by links of a given bandwidth, or by a mesh that
// loses packets.
//
//	l, err := lab.Open()                        // needs root, and the commands ip and tc
//	defer l.Close()                             // removes all of it
//	a, b, err := l.Delayed(20 * time.Millisecond)
//	cmd := a.Command("registry", "serve", "a.yml")
//	conn, err := b.Dial(ctx, "tcp", a.Addr()+":5000")
//
// # Delay
//
// A delayed link is a TUN device in either namespace and a forwarder in this process, which
// hands each packet over half a round trip after it was sent: in order, none lost. TCP runs
// from end to end, so windows and slow start behave as on a long line. The devices have
// Ethernet's MTU of 1500, and pass segments on in bundles of up to 64 KiB with their virtio
// header (IFF_VNET_HDR, as a network card with segmentation offload gets them): TCP counts
// in segments of the real size, and the forwarder pays once a bundle.
//
// # Caps
//
// Each namespace of a star has a veth to one bridge, with `tc tbf` at both ends:
// what it sends and what it receives are capped alike.
//
// # Faults
//
// Each namespace of a mesh has a TUN device, too, and the forwarder loses the packets that it
// is told to: those between two sides, those of one direction, or a share of all, with
// bursts. It handles each packet by itself, so a mesh is slower than a link: some 100 MB/s.
//
// # Limits
//
// No address and no device is in the namespace this process runs in. TCP's
// buffers are the system's defaults: where net.ipv4.tcp_wmem ends at 4 MiB, one
// connection carries at most that in a round trip, everybody's alike.
// Names begin with "regbench-" and the process ID; Open removes what a bench that
// was killed has left. A Lab may be used by several goroutines.
package lab
