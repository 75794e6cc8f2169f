package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

// FuzzReach: an answer that is taken has few addresses, all of which can be read, and known
// outcomes.
func FuzzReach(f *testing.F) {
	f.Add([]byte(`{"version":1,"seen":"/ip4/192.0.2.1/tcp/4619","tried":[{"addr":"/ip4/192.0.2.1/tcp/4620","data":true,"outcome":"closed"},{"addr":"x","outcome":"?"}],"later":[1]}`))
	f.Add([]byte(`{"version":1,"refused":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readReach(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(a.Tried) > maxTried || a.Seen != addrText(a.Seen) {
			t.Errorf("%+v", a)
		}
		for _, tried := range a.Tried {
			if !slices.Contains([]Outcome{Reached, Closed, Silent, Other, Failed}, tried.Outcome) || tried.Addr == "" || tried.Addr != addrText(tried.Addr) {
				t.Errorf("%+v", tried)
			}
		}
		sent, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := readReach(bytes.NewReader(sent)); err != nil || fmt.Sprint(again) != fmt.Sprint(a) {
			t.Errorf("%+v became %+v: %v", a, again, err)
		}
	})
}

// TestWhatIsReadOfAnAnswer is bounded, whatever a member sends.
func TestWhatIsReadOfAnAnswer(t *testing.T) {
	many := `{"version":1,"tried":[` + strings.TrimSuffix(strings.Repeat(`{"addr":"/ip4/192.0.2.1/tcp/1","outcome":"closed"},`, maxTried+5), ",") + `]}`
	if a, err := readReach(strings.NewReader(many)); err != nil || len(a.Tried) != maxTried {
		t.Errorf("%d, %v", len(a.Tried), err)
	}
	for _, text := range []string{"", "{}", "[]", strings.Repeat(" ", maxReach) + many} {
		if _, err := readReach(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}

// TestWhereAMemberMayBeDialedBack: where it is seen, whatever it announces; elsewhere only where it
// may lead, by plain TCP, and names only by what they stand for.
func TestWhereAMemberMayBeDialedBack(t *testing.T) {
	p := &Peer{roster: newRoster("x")}
	addrs := func(texts ...string) (all []multiaddr.Multiaddr) {
		for _, text := range texts {
			all = append(all, multiaddr.StringCast(text))
		}
		return all
	}
	for seen, c := range map[string]struct{ said, want []string }{
		"/ip4/203.0.113.5/tcp/40000": {
			[]string{"/ip4/10.1.2.3/tcp/4619", "/ip4/127.0.0.1/tcp/22", "/ip4/169.254.169.254/tcp/80", "/ip4/203.0.113.9/tcp/4619", "/ip4/203.0.113.5/tcp/4619/ws", "/dns4/localhost/tcp/22"},
			[]string{"/ip4/203.0.113.9/tcp/4619"},
		},
		"/ip4/127.0.0.1/tcp/40000": {
			[]string{"/ip4/127.0.0.1/tcp/4619", "/dns4/localhost/tcp/4619"}, []string{"/ip4/127.0.0.1/tcp/4619"},
		},
		"/ip4/10.1.2.3/tcp/40000": {
			[]string{"/ip4/10.1.2.1/tcp/1", "/ip4/10.1.2.2/tcp/1", "/ip4/10.1.2.3/tcp/1", "/ip4/10.1.2.4/tcp/1", "/ip4/10.1.2.5/tcp/1"},
			[]string{"/ip4/10.1.2.1/tcp/1", "/ip4/10.1.2.2/tcp/1", "/ip4/10.1.2.3/tcp/1", "/ip4/10.1.2.4/tcp/1"},
		},
	} {
		got := p.mayDialBack(t.Context(), hearsay.Network{}, multiaddr.StringCast(seen), addrs(c.said...))
		if fmt.Sprint(got) != fmt.Sprint(addrs(c.want...)) {
			t.Errorf("seen at %s: %s", seen, got)
		}
	}
	seen := addrs("/ip4/203.0.113.5/tcp/40000")[0]
	if got := hostsSeen(addrs("/ip4/10.1.2.3/tcp/4619", "/ip6/fd00::1/tcp/4619", "/ip4/10.1.2.3/udp/1/quic-v1"), seen); fmt.Sprint(got) != "[/ip4/203.0.113.5/tcp/4619]" {
		t.Errorf("seen behind a NAT: %s", got)
	}
}

func TestOutcomes(t *testing.T) {
	for err, want := range map[error]Outcome{
		context.DeadlineExceeded: Silent, errors.New("x"): Failed, context.Canceled: Failed,
	} {
		if got := outcomeOf(err); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
	if outcomeOf(nil) != Reached {
		t.Error("no error is a failure")
	}
}
