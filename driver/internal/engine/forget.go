package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// minShortID is how much of the end of a peer ID names a member.
const minShortID = 4

// Forget drops a member that is away from those that this registry remembers and dials. The
// member is named by its peer ID, by the end of its peer ID, or by its name. A member that
// comes back is simply a member again.
func (e *Engine) Forget(ctx context.Context, name string) (Member, error) {
	m, err := memberNamed(e.Members(), name)
	if err != nil {
		return m, err
	}
	switch err := e.Peer.Forget(ctx, m.ID); {
	case errors.Is(err, peer.ErrConnected):
		return m, fmt.Errorf("%s is connected: stop it first, or shut it out with another protector key", describe(m))
	case err != nil:
		return m, err
	}
	e.Log.WithField("peer", m.ID.String()).WithField("name", m.Name).Info("registry forgotten, as the operator asked")
	return m, nil
}

func memberNamed(members []Member, name string) (Member, error) {
	var found []Member
	var all []string
	for _, m := range members {
		if m.ID.String() == name {
			return m, nil
		}
		if name != "" && m.Name == name || len(name) >= minShortID && strings.HasSuffix(m.ID.String(), name) {
			found, all = append(found, m), append(all, describe(m))
		}
	}
	switch len(found) {
	case 0:
		return Member{}, fmt.Errorf("no member is called %q: `registry ipfs status` lists them", name)
	case 1:
		return found[0], nil
	}
	return Member{}, fmt.Errorf("%q names several members, give the peer ID of one: %s", name, strings.Join(all, ", "))
}

func describe(m Member) string {
	return strings.TrimSpace(cmp.Or(m.Name, "member") + " " + m.ID.String())
}
