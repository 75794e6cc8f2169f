package driver

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// ErrNotRunning reports that no registry answers for a datastore.
var ErrNotRunning = admin.ErrNotRunning

// AskStatus asks the registry that runs on these parameters for its status.
func AskStatus(ctx context.Context, p Parameters) (s Status, err error) {
	err = client(p).Status(ctx, &s)
	return s, err
}

// AskIdentity asks the registry that runs on these parameters for its identity.
func AskIdentity(ctx context.Context, p Parameters) (id Identity, err error) {
	err = client(p).ID(ctx, &id)
	return id, err
}

// AskForget has the registry that runs on these parameters forget a member.
func AskForget(ctx context.Context, p Parameters, name string) (m Member, err error) {
	err = client(p).Forget(ctx, name, &m)
	return m, err
}

// AskWhere asks the registry that runs on these parameters who has what of an image or a digest,
// as Where does.
func AskWhere(ctx context.Context, p Parameters, of string) (w Where, err error) {
	err = client(p).Where(ctx, of, &w)
	return w, err
}

func client(p Parameters) *admin.Client {
	return admin.NewClient(engine.Socket(p.DatastorePath))
}

// AskVerify has the registry that runs on these parameters verify its blobs, or those of
// an image, as Verify does.
func AskVerify(ctx context.Context, p Parameters, image string, progress func(VerifyProgress)) (v Verification, err error) {
	err = client(p).Verify(ctx, image, read(progress), &v)
	return v, err
}

// AskCollect has the registry that runs on these parameters collect garbage, as Collect does.
func AskCollect(ctx context.Context, p Parameters, o CollectOptions, progress func(CollectProgress)) (c Collection, err error) {
	err = client(p).Collect(ctx, o, read(progress), &c)
	return c, err
}

// AskDrain has the registry that runs on these parameters be drained, as Drain does.
func AskDrain(ctx context.Context, p Parameters, wait bool, progress func(DrainState)) (d DrainState, err error) {
	err = client(p).Drain(ctx, wait, read(progress), &d)
	return d, err
}

// AskUndrain has the registry that runs on these parameters no longer be drained.
func AskUndrain(ctx context.Context, p Parameters) (d DrainState, err error) {
	err = client(p).Undrain(ctx, &d)
	return d, err
}

// read decodes each line of progress.
func read[T any](progress func(T)) func(json.RawMessage) error {
	return func(line json.RawMessage) error {
		var so T
		if err := json.Unmarshal(line, &so); err != nil {
			return fmt.Errorf("read the registry's progress: %w", err)
		}
		progress(so)
		return nil
	}
}

// ErrBusy reports that a verification, a collection, or waiting for a drain is already running.
var ErrBusy = admin.ErrBusy

// answers is what the admin socket reports about this registry.
func (s *store) answers() admin.Source {
	return admin.Source{
		Status: func(context.Context) any { return s.status() },
		ID:     func() any { return s.identity() },
		Forget: func(ctx context.Context, member string) (any, error) { return s.forget(ctx, member) },
		Where:  func(ctx context.Context, of string) (any, error) { return s.where(ctx, of) },
		Verify: func(ctx context.Context, image string, progress func(any)) (any, error) {
			return s.verify(ctx, image, func(so VerifyProgress) { progress(so) })
		},
		Collect: s.collectAsAsked,
		Drain: func(ctx context.Context, wait bool, progress func(any)) (any, error) {
			return s.drain(ctx, wait, func(d DrainState) { progress(d) })
		},
		Undrain: func(ctx context.Context) (any, error) { return s.undrain(ctx) },
	}
}
