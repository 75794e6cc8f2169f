package pathmap

import (
	"sync"
	"sync/atomic"
)

// meeting is whether a trusted member named its heads since this map was opened.
type meeting struct {
	named atomic.Bool
	once  sync.Once
	met   chan struct{} // closed later: once what it named is being followed
}

func (m *meeting) held() { m.once.Do(func() { close(m.met) }) }

// Met is closed when the first trusted member since Open has named its heads, and
// what is unknown of them is being followed.
func (m *Map) Met() <-chan struct{} { return m.meeting.met }
