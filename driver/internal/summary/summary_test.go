package summary

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// swarm is one in which a registry is its only member.
type swarm struct {
	calls    chan net.Conn
	closed   chan struct{}
	stranger bool
	budget   *limit.Budget
	answer   func(net.Conn) // nil: the registry's own
}

func newSwarm() *swarm {
	return &swarm{calls: make(chan net.Conn), closed: make(chan struct{}), budget: limit.NewBudget(limit.ThisMachine(), quiet())}
}

func quiet() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return logrus.NewEntry(log)
}

func (s *swarm) Listen(protocol.ID) (net.Listener, error) { return s, nil }
func (s *swarm) Addr() net.Addr                           { return &net.TCPAddr{} }
func (s *swarm) Remote(net.Conn) peer.ID                  { return "asker" }
func (s *swarm) Trusts(peer.ID) bool                      { return !s.stranger }
func (s *swarm) Budget() *limit.Budget                    { return s.budget }
func (s *swarm) Source(id peer.ID) limit.Source {
	return limit.Source{Peer: id, Rank: limit.Trusted}
}

func (s *swarm) Accept() (net.Conn, error) {
	select {
	case c := <-s.calls:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *swarm) Close() error {
	close(s.closed)
	return nil
}

func (s *swarm) Dial(ctx context.Context, _ peer.ID, _ protocol.ID) (net.Conn, error) {
	here, there := net.Pipe()
	if s.answer != nil {
		go s.answer(there)
		return here, nil
	}
	select {
	case s.calls <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *swarm) serve(t *testing.T, say func() Summary) *Summaries {
	t.Helper()
	all, err := Serve(s, say, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := all.Close(); err != nil {
			t.Error(err)
		}
	})
	return all
}

func TestWhatIsSaidIsTold(t *testing.T) {
	said := Summary{Now: time.Now(), Up: time.Minute, Name: "Büro\x1b[2J", Version: strings.Repeat("v", MaxSize),
		Map: Map{Entries: 3, Heads: make([]string, maxHeads+1)}, Kept: &Amount{1, 2}, Trouble: &Trouble{time.Hour, "a\nb"}, Connected: make([]string, MaxConnected+1)}
	got, err := newSwarm().serve(t, func() Summary { return said }).Ask(t.Context(), "b")
	if err != nil || !got.Now.Equal(said.Now) || got.Up != said.Up || got.Name != "Büro [2J" || len(got.Version) > maxName ||
		got.Map.Entries != 3 || len(got.Map.Heads) != 0 || *got.Kept != *said.Kept || got.Cache != nil || got.Trouble.Text != "a b" || got.Connected != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if since := time.Since(got.Heard); since < 0 || since > time.Minute {
		t.Errorf("heard %s ago", since)
	}
}

func TestOnlyTrustedMembersAreTold(t *testing.T) {
	s := newSwarm()
	s.stranger = true
	all := s.serve(t, func() Summary { t.Error("it was asked for"); return Summary{} })
	if _, err := all.Ask(t.Context(), "b"); !errors.Is(err, ErrStranger) {
		t.Error(err)
	}
}

// TestOneMemberHasSoManyAnswersAtOnce: two.
func TestOneMemberHasSoManyAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		all := newSwarm().serve(t, func() Summary { <-release; return Summary{Name: "b"} })
		ended := make(chan error)
		for range 2 {
			go func() {
				_, err := all.Ask(t.Context(), "b")
				ended <- err
			}()
		}
		synctest.Wait()
		if _, err := all.Ask(t.Context(), "b"); err == nil {
			t.Error("a third is answered")
		}
		close(release)
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if _, err := all.Ask(t.Context(), "b"); err != nil {
			t.Error("they have left: ", err)
		}
	})
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(net.Conn)
		want   error
	}{
		"silent":   {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, ErrSilent},
		"slow":     {func(c net.Conn) { _, _ = c.Read(make([]byte, 9)); _, _ = c.Write([]byte("{")) }, ErrSilent},
		"mute":     {func(c net.Conn) { _, _ = c.Read(make([]byte, 9)); _ = c.Close() }, errUnanswered},
		"nonsense": {says("nonsense"), ErrLied},
		"endless":  {says(`{"summary":{"name":"` + strings.Repeat("x", MaxSize)), ErrLied},
		"long":     {says(`{"summary":{}}` + strings.Repeat(" ", MaxSize)), ErrLied},
		"empty":    {says(`{}`), ErrLied},
		"busy":     {says(`{"refused":"busy"}`), ErrBusy},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwarm()
				s.answer = c.answer
				began := time.Now()
				if _, err := s.serve(t, nil).Ask(t.Context(), "b"); !errors.Is(err, c.want) {
					t.Errorf("%v, not %v", err, c.want)
				}
				if took := time.Since(began); took > AskTime {
					t.Errorf("after %s", took)
				}
			})
		})
	}
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 9))
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
}

// TestQuestionsEndWithTheRegistry: also one that is being answered, and one that is asked.
func TestQuestionsEndWithTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwarm()
		s.answer = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
		all, err := Serve(s, nil, quiet())
		if err != nil {
			t.Fatal(err)
		}
		_, there := net.Pipe()
		s.calls <- there // which asks nothing
		ended := make(chan error)
		began := time.Now()
		go func() {
			_, err := all.Ask(t.Context(), "b")
			ended <- err
		}()
		synctest.Wait()
		if err := all.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil || time.Since(began) > 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
