package protector

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/davidlazar/go-crypto/salsa20"
	pool "github.com/libp2p/go-buffer-pool"
	manet "github.com/multiformats/go-multiaddr/net"
)

// nonceSize is how many bytes each end sends in the open, before what it enciphers.
const nonceSize = 24

// header is what each end enciphers first (https://github.com/multiformats/multistream-select).
var header = []byte("\x13/multistream/1.0.0\n")

var errKey = errors.New("the other end uses another protector key")

// conn is a connection below libp2p's protector, which enciphers and deciphers with the host's key
// whatever key the other end uses. As libp2p's, it may be read by one goroutine while another writes.
type conn struct {
	manet.Conn
	keys    *Keys
	attempt *attempt // nil: it was accepted, and the other end chooses the key

	once  sync.Once // the first bytes of the other end are read
	err   error     // which that led to
	head  []byte    // of these, what is not handed on yet
	other bool      // the other key is used; of an accepted one known after once

	in, out turn
}

// accepted has nothing read of c until it is used.
func accepted(k *Keys, c manet.Conn) *conn { return newConn(k, c, nil) }

func dialed(k *Keys, c manet.Conn, a *attempt) *conn {
	a.refused.Store(true)
	n := newConn(k, c, a)
	n.other = a.other
	return n
}

func newConn(k *Keys, c manet.Conn, a *attempt) *conn {
	return &conn{Conn: c, keys: k, attempt: a, in: turn{keys: k}, out: turn{keys: k}}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (n int, err error) {
	if c.once.Do(c.look); c.err != nil {
		return 0, c.err
	}
	if len(c.head) > 0 {
		n = copy(p, c.head)
		c.head = c.head[n:]
	} else {
		n, err = c.Conn.Read(p)
	}
	if c.other {
		c.in.turn(p[:n])
	}
	return n, err
}

// Write implements net.Conn. On an accepted connection it waits for the first bytes of the other end, which
// sends them without waiting for any.
func (c *conn) Write(p []byte) (int, error) {
	if c.attempt == nil {
		if c.once.Do(c.look); c.err != nil {
			return 0, c.err
		}
	}
	if !c.other {
		return c.Conn.Write(p)
	}
	b := pool.Get(len(p))
	defer pool.Put(b)
	copy(b, p)
	c.out.turn(b)
	return c.Conn.Write(b)
}

// look reads the first bytes of the other end, and finds the key in them.
func (c *conn) look() {
	c.head = make([]byte, nonceSize+len(header))
	if _, err := io.ReadFull(c.Conn, c.head); err != nil {
		c.err = fmt.Errorf("read what the other end says first: %w", err)
		return
	}
	host, other := speaks(&c.keys.host, c.head), speaks(&c.keys.other, c.head)
	switch {
	case !host && !other, c.attempt != nil && other != c.other:
		c.err = errKey
	case c.attempt != nil:
		c.attempt.refused.Store(false)
	default:
		c.other = other
	}
}

// speaks reports whether the first bytes of an end are enciphered with a key.
func speaks(key *[Size]byte, head []byte) bool {
	said := make([]byte, len(header))
	salsa20.New(key, head[:nonceSize]).XORKeyStream(said, head[nonceSize:])
	return bytes.Equal(said, header)
}

// turn is one direction of a connection: what is enciphered with one of two keys becomes the same, enciphered
// with the other one. The nonce in front of it stays.
type turn struct {
	keys        *Keys
	nonce       []byte
	host, other cipher.Stream // nil: not all of the nonce has passed
}

func (t *turn) turn(p []byte) {
	if t.host == nil {
		n := min(nonceSize-len(t.nonce), len(p))
		t.nonce = append(t.nonce, p[:n]...)
		if p = p[n:]; len(t.nonce) < nonceSize {
			return
		}
		t.host, t.other = salsa20.New(&t.keys.host, t.nonce), salsa20.New(&t.keys.other, t.nonce)
	}
	t.host.XORKeyStream(p, p)
	t.other.XORKeyStream(p, p)
}
