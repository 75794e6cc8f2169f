// Package signal wakes all goroutines that wait for a change.
//
//	changed := s.Wait()
//	if !isHere() {
//		<-changed
//	}
//
// Limits: it tells that something changed, and neither what nor how often.
package signal

import "sync"

// Signal wakes all who wait. Take the channel, check the condition, then wait on the channel:
// so no change is missed. It is safe for concurrent use.
type Signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// New makes one.
func New() *Signal { return &Signal{ch: make(chan struct{})} }

// Wait returns what is closed at the next change.
func (s *Signal) Wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

// Raise wakes all who wait.
func (s *Signal) Raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}
