package peer

import (
	"strings"
	"sync"
)

// logOnceLimit bounds how many messages of one kind are remembered; beyond it no new ones of that
// kind are logged.
const logOnceLimit = 1024

// logOnce keeps the log from saying the same thing again and again.
type logOnce struct {
	mu   sync.Mutex
	said map[string]map[string]struct{} // by kind
}

// first reports whether it is called with a kind of message, and these words, for the first time.
func (o *logOnce) first(kind string, words ...string) bool {
	key := strings.Join(words, "\x00")
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.said[kind]
	if _, ok := of[key]; ok || len(of) >= logOnceLimit {
		return false
	}
	if o.said == nil {
		o.said = map[string]map[string]struct{}{}
	}
	if of == nil {
		of = map[string]struct{}{}
		o.said[kind] = of
	}
	of[key] = struct{}{}
	return true
}
