// Package signal wakes all goroutines that wait for a change.
//
//	s := signal.New()
//	for changed := s.Wait(); !isHere(); changed = s.Wait() {
//		<-changed
//	}
//
// Limits: a Signal says that something has changed, but neither what nor how often.
package signal

import "sync"

// Signal wakes all goroutines that wait for a change. To miss no change, take the channel, then
// check the condition, then wait on the channel. It is safe for concurrent use.
type Signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// New makes a Signal.
func New() *Signal { return &Signal{ch: make(chan struct{})} }

// Wait returns a channel that is closed at the next change.
func (s *Signal) Wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

// Raise wakes all goroutines that wait.
func (s *Signal) Raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}
