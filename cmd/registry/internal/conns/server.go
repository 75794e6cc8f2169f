package conns

import (
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// HeaderTime is how long a TLS handshake, and then the header of a request, may take.
const HeaderTime = 20 * time.Second

const (
	// idleTime is longer than proxies keep idle connections to what is behind them (60 s to ten
	// minutes), so that none sends a request while its connection is being closed.
	idleTime = 11 * time.Minute
	// maxHeader is in bytes: what nginx takes unless it is told otherwise.
	maxHeader = 32 << 10

	maxConns, minConns = 4096, 64
)

// Most is how many connections of clients there may be: a sixth of the file descriptors of this
// process, at most 4,096. While it is worked on a connection may take two more for files, and
// the other half of all descriptors is for the swarm and the datastore.
func Most() int {
	files := uint64(1024)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		files = uint64(limit.Cur)
	}
	return int(max(minConns, min(files/6, maxConns)))
}

// Guard bounds the connections of a server that does not serve yet, and how long they may wait.
func Guard(server *http.Server, most int) *Table {
	t := newTable(most)
	server.ReadHeaderTimeout = HeaderTime
	server.IdleTimeout = idleTime
	server.MaxHeaderBytes = maxHeader
	server.ConnState = t.note
	return t
}
