package driver

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// Signatures says since when a change of the path map is merged only with the signature of who wrote it.
type Signatures struct {
	Since time.Time `json:"since"` // by the clock of the registry that was asked to
	By    string    `json:"by"`    // peer ID of that registry
	Name  string    `json:"name"`  // what it is called; "" unknown
}

// RequireSignatures has all registries of the swarm merge only what is signed, but for what is merged now. It is refused
// as long as a registry that is known is away, is of a release that signs nothing, or does not give what it has. It
// is never taken back. With a change it has this registry, and no other one, merge that without a signature, in
// addition; with the name or the peer ID of a member, all that this one has now.
func (d *Driver) RequireSignatures(ctx context.Context, accept string) (Signatures, error) {
	return d.store.requireSignatures(ctx, accept)
}

// RequireSignatures has the registry require signatures, as Driver.RequireSignatures does.
func (c *Client) RequireSignatures(ctx context.Context, accept string) (Signatures, error) {
	q := admin.Query{}
	if accept != "" {
		q.Set("accept", accept)
	}
	return follow[Signatures](ctx, c, http.MethodPost, "/v1/signatures", q, func(int) {})
}

func (s *store) signaturesRoute() admin.Route {
	return admin.Task("/v1/signatures", "Have all registries merge only changes that are signed, for good, but for those that are merged now.",
		func(ctx context.Context, q admin.Query, _ func(int)) (Signatures, error) {
			return s.requireSignatures(ctx, q.Get("accept"))
		},
		admin.Param{Name: "accept", About: "the CID of a change that this registry is to merge without a signature, or a member of which it is to merge all that it has now; in addition"})
}

func (s *store) requireSignatures(ctx context.Context, accept string) (Signatures, error) {
	if accept != "" { // first: what it names may be mistyped, and what is required lasts
		if err := s.engine.AcceptUnsigned(ctx, accept); err != nil {
			return Signatures{}, err
		}
	}
	if err := s.engine.RequireSignatures(ctx); err != nil {
		return Signatures{}, err
	}
	required := s.signatures()
	if required == nil {
		return Signatures{}, errTakenBack
	}
	return *required, nil
}

// errTakenBack reports a requirement that does not count.
var errTakenBack = errors.New("signatures are not required: who said so was revoked")

// signatures is since when they are required; nil: they are not.
func (s *store) signatures() *Signatures {
	r, ok := s.engine.Signatures()
	if !ok {
		return nil
	}
	name := s.engine.NameOf(r.By)
	if r.By == s.engine.Self() {
		name = s.engine.Name()
	}
	return &Signatures{Since: r.Since, By: r.By, Name: name}
}
