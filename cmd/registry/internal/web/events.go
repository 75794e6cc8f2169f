package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	maxStreams = 16               // at the same time, of all browsers that come by one entrance
	streamTime = 10 * time.Minute // then the browser opens another one: whether it still may is asked again
	streamTick = time.Second      // between two looks at what is new
	idleTime   = 15 * time.Second // of nothing new, after which a comment shows that the stream is alive

	hereTime  = 900 * time.Millisecond
	swarmTime = time.Second // after a second or more in which all members were asked

	maxFinished = 100 // transfers that are over, and are told at the start
)

// events tells a browser what is new until it leaves, the stream is old, or the page ends: of this
// registry once a second if anything is, and, as `view` says, of the swarm or of transfers. A browser
// that does not take an event within takeTime is left.
func (e *entrance) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	if r.Method == http.MethodHead {
		return // there would be nothing to take, so that nobody noticed who takes nothing
	}
	select {
	case e.streams <- struct{}{}:
		defer func() { <-e.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d browsers watch already", maxStreams), http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamTime)
	defer cancel()
	s := &stream{page: e.page, out: w, last: map[string][]byte{}}
	view := r.URL.Query().Get("view")
	s.transfers = view == "transfers"
	if view == "swarm" {
		swarms := make(chan driver.SwarmStatus)
		s.swarms = swarms
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			e.page.askSwarm(ctx, swarms)
		}()
		defer func() { cancel(); <-ended }()
	}
	_ = s.follow(ctx) // the browser has gone, or the page ends: there is nobody to tell
}

// askSwarm asks all members how they are, again and again.
func (p *Page) askSwarm(ctx context.Context, tell chan<- driver.SwarmStatus) {
	for {
		now, err := p.says.swarm.get(ctx)
		if err != nil {
			return
		}
		select {
		case tell <- now:
		case <-ctx.Done():
			return
		}
		pause := time.NewTimer(swarmTime)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// stream is what one browser is told.
type stream struct {
	page      *Page
	out       http.ResponseWriter
	last      map[string][]byte // what was told last, by the event
	said      time.Time         // when anything was
	swarms    <-chan driver.SwarmStatus
	transfers bool
	after     uint64 // the greatest number of a transfer that was told
	begun     bool   // transfers were told of
}

// follow tells what is new until ctx ends, or the browser takes nothing any more.
func (s *stream) follow(ctx context.Context) error {
	tick := time.NewTicker(streamTick)
	defer tick.Stop()
	for {
		now, err := s.page.says.here.get(ctx)
		if err == nil {
			err = s.tell("here", now)
		}
		if err == nil && s.transfers {
			err = s.tellTransfers()
		}
		if err == nil && time.Since(s.said) > idleTime {
			err = s.write([]byte(": nothing new\n\n"))
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case swarm := <-s.swarms:
			err = s.tell("swarm", swarm)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// tellTransfers tells of those under way, and of those that are over since it was last called; the
// first time of the last of these.
func (s *stream) tellTransfers() error {
	now := s.page.says.transfers(s.after)
	if n := len(now.Finished); n > 0 {
		s.after = now.Finished[n-1].Number
		if !s.begun {
			now.Finished = now.Finished[max(0, n-maxFinished):]
		}
	}
	s.begun = true
	return s.tell("transfers", now)
}

// tell tells a browser something, unless it was told just that.
func (s *stream) tell(event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if bytes.Equal(data, s.last[event]) {
		return nil
	}
	s.last[event] = data
	return s.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, data))
}

func (s *stream) write(b []byte) error {
	if _, err := s.out.Write(b); err != nil {
		return err
	}
	s.said = time.Now()
	return http.NewResponseController(s.out).Flush()
}
