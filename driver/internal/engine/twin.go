package engine

import (
	"fmt"
	"time"
)

// Twinned is why a registry takes no pushes and is not ready while another one runs with
// its peer ID; "" while none does. Other members mistake the writes of both for those of one
// registry.
func (e *Engine) Twinned() string {
	since, ok := e.Paths.Twin()
	if !ok {
		return ""
	}
	return fmt.Sprintf("another registry has run with this registry's peer ID %s since %s, from a copy of its datastore or key: "+
		"stop one of them, and give it a datastore and a privatekey of its own", e.self, since.Format(time.RFC3339))
}
