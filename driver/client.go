package driver

import (
	"context"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// Member is another registry of the swarm, in a Status.
type Member = admin.Member

// Transfer is a blob on its way to a registry, in a Status.
type Transfer = admin.Transfer

// Transfers counts the blobs and bytes that were received and sent.
type Transfers = admin.Transfers

// ErrNotRunning reports that no registry answers for a datastore.
var ErrNotRunning = admin.ErrNotRunning

// AskStatus asks the registry that runs on these parameters for its status.
func AskStatus(ctx context.Context, p Parameters) (Status, error) {
	return client(p).Status(ctx)
}

// AskIdentity asks the registry that runs on these parameters for its identity.
func AskIdentity(ctx context.Context, p Parameters) (Identity, error) {
	return client(p).ID(ctx)
}

func client(p Parameters) *admin.Client {
	return admin.NewClient((&rooms{params: p}).path(adminSocket))
}

// AskVerify has the registry that runs on these parameters verify its blobs, or those of
// an image, as Verify does.
func AskVerify(ctx context.Context, p Parameters, image string, progress func(VerifyProgress)) (Verification, error) {
	return client(p).Verify(ctx, image, progress)
}

// ErrVerifying reports that a verification runs already.
var ErrVerifying = admin.ErrBusy
