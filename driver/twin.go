package driver

import (
	"fmt"
	"time"
)

// twinRetry is when a client that pushed to one of two registries with one peer ID may try
// again: an operator has to stop one of them first.
const twinRetry = time.Minute

// twinned is why a registry takes no pushes and is not ready while another one runs with
// its peer ID; "" while none does. The other members take the writes of both for those of
// one registry.
func (r *rooms) twinned() string {
	since, ok := r.paths.Twin()
	if !ok {
		return ""
	}
	return fmt.Sprintf("another registry has run with this registry's peer ID %s since %s, from a copy of its datastore or key: "+
		"stop one of them, and give it a datastore and a privatekey of its own", r.self, since.Format(time.RFC3339))
}
