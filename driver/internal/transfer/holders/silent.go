package holders

import "github.com/libp2p/go-libp2p/core/peer"

// SilentError reports that nobody is known to hold a blob, and that members did not say whether
// they do.
type SilentError struct{ IDs []peer.ID } // of those, sorted

// Error implements error.
func (e *SilentError) Error() string { return "no answer" }
