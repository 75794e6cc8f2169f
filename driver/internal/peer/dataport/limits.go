package dataport

import (
	"net"
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	maxHandshakes     = 256 // at once, from everywhere
	maxHandshakesFrom = 64  // at once, from one address: members may share one

	// maxConns and maxConnsFrom are the connections accepted, of all peers and of one: as
	// many as requests of it are answered at once.
	maxConns     = 4096
	maxConnsFrom = 256
)

// newHandshakeLimit bounds the handshakes under way, which strangers can begin, so that one
// address cannot take all of them. A connection beyond the bound is closed at once.
func newHandshakeLimit() *limit.Limit[netip.Prefix] {
	return limit.New[netip.Prefix](maxHandshakesFrom, maxHandshakes)
}

// newConnLimit bounds the connections of admitted peers, each of which takes a file
// descriptor: all of them together may take a quarter of those that this process may have,
// and one peer half of that.
func newConnLimit() *limit.Limit[peer.ID] {
	most := maxConns
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		most = int(min(uint64(most), uint64(files.Cur)/4))
	}
	return limit.New[peer.ID](min(maxConnsFrom, most/2), most)
}

// source is the prefix that an address counts towards: an IPv6 site has at least a /64.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	src, err := ip.Prefix(bits)
	if err != nil { // not an address at all
		return netip.Prefix{}
	}
	return src
}
