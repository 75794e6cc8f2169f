package peer

import (
	"strings"
	"sync"
)

// logOnceLimit bounds how many messages are remembered; beyond it no new ones are logged.
const logOnceLimit = 4096

// logOnce keeps the log from saying the same thing again and again.
type logOnce struct {
	mu   sync.Mutex
	said map[string]struct{}
}

// first reports whether it is called with these words for the first time.
func (o *logOnce) first(words ...string) bool {
	key := strings.Join(words, "\x00")
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.said[key]; ok || len(o.said) >= logOnceLimit {
		return false
	}
	if o.said == nil {
		o.said = map[string]struct{}{}
	}
	o.said[key] = struct{}{}
	return true
}
