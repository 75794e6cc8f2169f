package swarm

import (
	"context"
	"fmt"
	"strings"
)

// Agree waits until all registries are ready, connected with all others, and have the same
// map.
func (s *Swarm) Agree(ctx context.Context) error {
	return s.wait(ctx, "agree", func(ctx context.Context) string {
		var left []string
		digests := map[string]bool{}
		for _, m := range s.Members {
			st, err := m.Ask(ctx)
			if err != nil {
				left = append(left, fmt.Sprintf("%s: %v", m.Name, err))
				continue
			}
			connected := 0
			for _, other := range st.Members {
				if other.Connected {
					connected++
				}
				if n := other.NotFollowed; n != nil {
					left = append(left, fmt.Sprintf("%s does not follow %s: %s", m.Name, other.Name, n.Reason))
				}
			}
			digests[st.Map.Digest] = true
			if connected < len(s.Members)-1 || len(st.NotReady) > 0 {
				left = append(left, fmt.Sprintf("%s has met %d others; not ready: %q", m.Name, connected, st.NotReady))
			}
			if len(digests) > 1 {
				left = append(left, fmt.Sprintf("%s has another map, of %d entries and %d heads: %s", m.Name, st.Map.Entries, st.Map.Heads, st.Map.Digest))
			}
		}
		return strings.Join(left, "; ")
	})
}
