package peer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

func TestStrangersStreamIsReset(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	if err := a.make(t, nil); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{}, 1)
	a.Handle(echo, func(s network.Stream) { ran <- struct{}{}; _ = s.Close() })
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	// It holds the protector key, but is not on the topic.
	h, err := libp2p.New(libp2p.PrivateNetwork(bytes.Repeat([]byte{7}, 32)), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.NoListenAddrs, libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := h.Connect(ctx, a.info(t, stripped(t, a)...)); err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(ctx, a.id(t), echo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s); !errors.Is(err, network.ErrReset) {
		t.Errorf("read: %v", err)
	}
	select {
	case <-ran:
		t.Error("the handler ran")
	default:
	}
	if a.IsMember(h.ID()) {
		t.Error("a member")
	}
	if _, err := a.Open(ctx, h.ID(), echo); !errors.Is(err, peer.ErrNotMember) {
		t.Errorf("Open: %v", err)
	}
}
