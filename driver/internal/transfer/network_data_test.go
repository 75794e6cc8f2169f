package transfer_test

import (
	"context"
	"errors"
	"net"

	"github.com/libp2p/go-libp2p/core/peer"
)

// There are only streams between these members.

func (m *member) ListenData() net.Listener { return nil }

func (m *member) DialData(context.Context, peer.ID) (net.Conn, error) {
	return nil, errors.New("no data port")
}

func (m *member) HasData(peer.ID) bool { return false }

func (m *member) Admits(string) bool { return true }
