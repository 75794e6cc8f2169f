package peer

import (
	"strings"
	"sync"
)

// onceLimit bounds what is remembered as said: what comes after it is not said.
const onceLimit = 4096

// onceLog keeps the log from saying the same again and again.
type onceLog struct {
	mu   sync.Mutex
	said map[string]struct{}
}

// first is true the first time it is called with these words.
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
