package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// TestTheConversation pins, byte for byte, what registries of different releases say to each other:
// what a client asks, and what a registry answers that has a blob, is fetching it, has only its
// undamaged leaves, or has nothing.
func TestTheConversation(t *testing.T) {
	want, err := os.ReadFile("testdata/conversation.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), conversation(t))
}

func conversation(t *testing.T) string {
	s := newSpoken()
	holder, fetcher, torn, asker, ref := s.cast(t)
	ctx, client := t.Context(), asker.transfers.client
	spans := func(of *registry, from, to int64, how wire.Terms) {
		if body, err := client.Span(ctx, of.id, ref.CID, from, to, how); err == nil {
			_, err = io.Copy(io.Discard, body)
			require.NoError(t, err)
			require.NoError(t, body.Close())
		}
	}
	s.scene("a whole blob", func() { _, _, _ = client.Holds(ctx, holder.id, ref, true) })
	s.scene("an inner block", func() { _, _ = client.Block(ctx, holder.id, ref.CID) })
	s.scene("a block that is none", func() { _, _ = client.Block(ctx, holder.id, rawCID(t)) })
	s.scene("a range", func() { spans(holder, 5, 15, wire.Terms{}) })
	s.scene("a range, and others to ask", func() { spans(holder, 5, 15, wire.Terms{Relay: true}) })
	s.scene("the leaves of a whole blob", func() { _, _ = client.Have(ctx, holder.id, ref) })
	s.scene("a doubt", func() { _ = client.Doubt(ctx, holder.id, ref.CID, 1) })
	s.scene("a blob that is not here", func() {
		_, _, _ = client.Holds(ctx, holder.id, dag.Ref{CID: rawCID(t), Size: 5}, false)
	})
	s.scene("a blob on its way", func() { _, _, _ = client.Holds(ctx, fetcher.id, ref, true) })
	s.scene("a leaf that is waited for", func() { spans(fetcher, 5, 15, wire.Terms{Wait: 10 * time.Millisecond}) })
	s.scene("a damaged blob", func() { _, _, _ = client.Holds(ctx, torn.id, ref, false) })
	s.scene("a damaged blob, to who fetches it", func() { _, _, _ = client.Holds(ctx, torn.id, ref, true) })
	s.scene("a range of what remains", func() { spans(torn, 5, 15, wire.Terms{Remains: true}) })
	s.scene("a range of it, or others to ask", func() { spans(torn, 5, 15, wire.Terms{Relay: true, Remains: true}) })
	s.scene("a range that is not right", func() { spans(torn, 2*mib, 2*mib+1, wire.Terms{Remains: true}) })
	s.scene("a range of a blob not known to be damaged", func() { spans(torn, 5, 15, wire.Terms{}) })
	copies := []cid.Cid{ref.CID, cid.MustParse("bafkreih5xupb37v37uhcqckwtk6ywpdekuv2tmb2pt6ntullidfj5odyyi")}
	s.scene("copies", func() { _, _ = asker.transfers.Copies(ctx, holder.id, copies, false) })
	s.scene("copies that are counted on", func() { _, _ = asker.transfers.Copies(ctx, torn.id, copies[:1], true) })
	for _, request := range []string{
		"GET /v1/blobs/nonsense HTTP/1.1",
		"GET /v1/nowhere HTTP/1.1",
		"PUT /v1/blobs/<ref> HTTP/1.1",
		"POST /v1/blobs/<ref>/doubt HTTP/1.1",
		"POST /v1/blobs/<ref>/doubt?leaf=99 HTTP/1.1",
		"GET /v1/blobs/<ref> HTTP/1.1\r\nRange: bytes=9000000-9000005",
		"GET /v1/blobs/<ref> HTTP/1.1\r\nRange: bytes=2097157-",
		"GET /v1/blobs/<ref> HTTP/1.1\r\nContent-Length: 3",
		"POST /v1/copies HTTP/1.1\r\nContent-Length: 300000",
	} {
		s.scene("by hand", func() { s.byHand(t, asker, holder, request) })
	}
	return s.text()
}

// spoken records what goes through the connections that one registry dials.
type spoken struct {
	mu    sync.Mutex
	said  []utterance
	names []string // old and new in turn, as strings.NewReplacer takes them
}

type utterance struct {
	who   string // "": a scene begins
	bytes []byte
}

func newSpoken() *spoken { return &spoken{} }

// cast makes the registries that take part: one that has a blob, one that is fetching it, one that
// has its undamaged leaves, and one that asks them.
func (s *spoken) cast(t *testing.T) (holder, fetcher, torn, asker *registry, ref dag.Ref) {
	var town town
	content := bytes.Repeat([]byte("0123456789abcdef"), (2*mib+16)/16)
	rs, ref := town.torn(t, content, [][]int{{2}}, neverMends)
	torn, holder = rs[0], town.registry(t)
	holder.push(content)
	fetcher = town.registry(t, func(r *registry) {
		r.config.Swarm = hermit{r.house}
		r.timing.Stall, r.timing.Trickle, r.timing.Nobody = never, never, never
	})
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	wg.Go(func() { _ = fetcher.transfers.Fetch(ctx, ref) })
	eventually(t, func() bool { return fetcher.transfers.underway.job(ref.CID) != nil }, "it is not fetched")
	torn.revive()
	asker = town.registry(t, func(r *registry) { r.config.Swarm = tapped{r.house, s} })
	var others []string
	holder.transfers.relays.trees = schedule.NewTrees(time.Hour)
	for _, r := range []*registry{torn, fetcher, holder} {
		holder.transfers.relays.enter(ref.CID, 0, 2, r.id, false)
		others = append(others, r.id.String())
	}
	s.names = []string{
		strings.Join(others, ","), "<others>", ref.CID.String(), "<ref>", rawCID(t).String(), "<absent>",
		peer.ToCid(holder.id).String(), "<holder>", peer.ToCid(fetcher.id).String(), "<fetcher>",
		peer.ToCid(torn.id).String(), "<torn>", torn.id.String(), "<torn>", fetcher.id.String(), "<fetcher>",
		"\r\n", "\n",
	}
	return holder, fetcher, torn, asker, ref
}

func (s *spoken) scene(title string, play func()) {
	s.note("", []byte(title))
	play()
}

// byHand sends a request that no client of ours sends.
func (s *spoken) byHand(t *testing.T, asker, holder *registry, request string) {
	c := asker.ask(holder)
	tap := &tap{c, s}
	for i := 0; i+1 < len(s.names); i += 2 {
		if s.names[i+1] == "<ref>" {
			request = strings.ReplaceAll(request, "<ref>", s.names[i])
		}
	}
	_, err := io.WriteString(tap, request+"\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, tap)
	require.NoError(t, err)
}

func (s *spoken) note(who string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.said); who != "" && n > 0 && s.said[n-1].who == who {
		s.said[n-1].bytes = append(s.said[n-1].bytes, b...)
		return
	}
	s.said = append(s.said, utterance{who, bytes.Clone(b)})
}

var date = regexp.MustCompile(`\nDate: .*\n`)

// text returns a line for each header, and the body in quotes.
func (s *spoken) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, u := range s.said {
		if u.who == "" {
			fmt.Fprintf(&b, "\n# %s\n", u.bytes)
			continue
		}
		head, body, _ := bytes.Cut(u.bytes, []byte("\r\n\r\n"))
		lines := date.ReplaceAllString(strings.NewReplacer(s.names...).Replace(string(head))+"\n", "\nDate: <date>\n")
		for line := range strings.Lines(lines) {
			fmt.Fprintf(&b, "%s %s", u.who, line)
		}
		if len(body) > 0 {
			fmt.Fprintf(&b, "%s body %q\n", u.who, body)
		}
	}
	return b.String()
}

// hermit is a Swarm in which nobody is connected to a registry that answers.
type hermit struct{ *house }

func (hermit) Connected() []peer.ID { return nil }

// tapped is a Swarm that records what goes through its connections.
type tapped struct {
	*house
	spoken *spoken
}

func (p tapped) Dial(ctx context.Context, id peer.ID, proto protocol.ID) (net.Conn, error) {
	c, err := p.house.Dial(ctx, id, proto)
	return &tap{c, p.spoken}, err
}

type tap struct {
	net.Conn
	spoken *spoken
}

func (c *tap) Write(b []byte) (int, error) {
	c.spoken.note(">", b)
	return c.Conn.Write(b)
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.spoken.note("<", b[:n])
	}
	return n, err
}
