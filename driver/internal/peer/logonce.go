package peer

import (
	"strings"
	"sync"
)

// onceLimit bounds how many messages are remembered; after that no new ones are logged.
const onceLimit = 4096

// onceLog keeps the log from saying the same again and again.
type onceLog struct {
	mu   sync.Mutex
	said map[string]struct{}
}

// first reports whether it is called with these words for the first time.
func (o *onceLog) first(words ...string) bool {
	key := strings.Join(words, "\x00")
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.said[key]; ok || len(o.said) >= onceLimit {
		return false
	}
	if o.said == nil {
		o.said = map[string]struct{}{}
	}
	o.said[key] = struct{}{}
	return true
}
