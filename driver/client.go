package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// Client asks a registry that runs on this machine, as the same user, over its admin.sock. The
// API is described by docs/api.yaml. A Client is safe for concurrent use.
//
// The errors of all methods are ErrNotRunning, ErrEarlier when the registry does not know the
// question, an *AnswerError when it does not do what it is asked to, or that of ctx. Answers
// that come at once are waited for a minute.
type Client struct{ admin *admin.Client }

// NewClient makes a client of the registry that runs, or will run, on these parameters. Only
// DatastorePath matters.
func NewClient(p Parameters) *Client {
	return &Client{admin.NewClient(engine.Socket(p.DatastorePath))}
}

var (
	// ErrNotRunning reports that no registry answers for a datastore.
	ErrNotRunning = admin.ErrNotRunning
	// ErrBusy reports that a verification, a collection, or waiting for a drain is already running.
	ErrBusy = admin.ErrBusy
	// ErrEarlier reports that the registry that runs is of a release that does not know a question.
	ErrEarlier = admin.ErrEarlier
)

// AnswerError is why a registry did not answer, or did not do what it was asked to do.
type AnswerError struct {
	Status int    // of HTTP: 400, 404, 409, 500 or 504
	Reason string // for the operator
}

// Error implements error.
func (e *AnswerError) Error() string { return e.Reason }

// Status asks for the status of the registry and of its swarm.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Identity asks for the registry's identity.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	return ask[Identity](ctx, c, http.MethodGet, "/v1/id", nil)
}

// Swarm asks how all registries of the swarm are, as Driver.Swarm does.
func (c *Client) Swarm(ctx context.Context) (SwarmStatus, error) {
	return ask[SwarmStatus](ctx, c, http.MethodGet, "/v1/swarm", nil)
}

// Where asks which registries have what of an image or a digest, as Driver.Where does.
func (c *Client) Where(ctx context.Context, of string) (Where, error) {
	return ask[Where](ctx, c, http.MethodGet, "/v1/where", admin.Query{"of": {of}})
}

// Usage asks what images take of the registry's disk, as Driver.Usage does. It ends with ctx, also
// in the registry. progress is called now and then.
func (c *Client) Usage(ctx context.Context, o UsageOptions, progress func(UsageProgress)) (Usage, error) {
	q := admin.Query{"of": o.Of}
	if o.Most > 0 {
		q.Set("most", strconv.Itoa(o.Most))
	}
	return follow[Usage](ctx, c, http.MethodGet, "/v1/usage", q, progress)
}

// Diff has the registry compare two images, as Driver.Diff does. It is like Verify otherwise.
func (c *Client) Diff(ctx context.Context, a, b string, o DiffOptions, progress func(DiffProgress)) (Diff, error) {
	q := admin.Query{"a": {a}, "b": {b}, "platform": {o.Platform}}
	if o.Fetch {
		q.Set("fetch", "")
	}
	return follow[Diff](ctx, c, http.MethodPost, "/v1/diff", q, progress)
}

// Reach has the registry and its members dial each other, as Driver.Reach does. Errors are also
// ErrBusy.
func (c *Client) Reach(ctx context.Context) (Reach, error) {
	return follow[Reach](ctx, c, http.MethodPost, "/v1/reach", nil, func(int) {})
}

// Forget has the registry forget a member, as Driver.Forget does.
func (c *Client) Forget(ctx context.Context, name string) (Member, error) {
	return ask[Member](ctx, c, http.MethodDelete, "/v1/members/"+url.PathEscape(name), nil)
}

// Revoke has the registry shut a member out of the swarm for good, as Driver.Revoke does.
func (c *Client) Revoke(ctx context.Context, name string) (Member, error) {
	return ask[Member](ctx, c, http.MethodDelete, "/v1/members/"+url.PathEscape(name), admin.Query{"revoke": {""}})
}

// Verify has the registry verify its blobs, or those of an image, as Driver.Verify does, which
// may take hours. It ends with ctx, also in the registry. progress is called about once a second.
// Errors are also ErrBusy.
func (c *Client) Verify(ctx context.Context, image string, progress func(VerifyProgress)) (Verification, error) {
	return follow[Verification](ctx, c, http.MethodPost, "/v1/verify", admin.Query{"image": {image}}, progress)
}

// Collect has the registry collect garbage, as Driver.Collect does. It is like Verify otherwise.
func (c *Client) Collect(ctx context.Context, o CollectOptions, progress func(CollectProgress)) (Collection, error) {
	return followWith[Collection](ctx, c, "/v1/collect", o, progress)
}

// Drain has the registry be drained, as Driver.Drain does. With wait it is like Verify otherwise,
// but that the registry stays drained when ctx ends.
func (c *Client) Drain(ctx context.Context, wait bool, progress func(DrainState)) (DrainState, error) {
	q := admin.Query{}
	if wait {
		q.Set("wait", "")
	}
	return follow[DrainState](ctx, c, http.MethodPost, "/v1/drain", q, progress)
}

// Undrain has the registry no longer be drained.
func (c *Client) Undrain(ctx context.Context) (DrainState, error) {
	return ask[DrainState](ctx, c, http.MethodDelete, "/v1/drain", nil)
}

// ask asks by a route whose answer comes at once.
func ask[A any](ctx context.Context, c *Client, method, path string, q admin.Query) (a A, err error) {
	err = answered(c.admin.Do(ctx, method, path, q, &a))
	return a, err
}

// follow asks by a route whose answer comes line by line, and decodes each.
func follow[A, P any](ctx context.Context, c *Client, method, path string, q admin.Query, progress func(P)) (a A, err error) {
	err = answered(c.admin.Follow(ctx, method, path, q, func(line json.RawMessage) error {
		var so P
		if err := json.Unmarshal(line, &so); err != nil {
			return fmt.Errorf("read the registry's progress: %w", err)
		}
		progress(so)
		return nil
	}, &a))
	return a, err
}

// followWith is follow for a route of optioned.
func followWith[A, P, O any](ctx context.Context, c *Client, path string, o O, progress func(P)) (A, error) {
	options, err := json.Marshal(o)
	if err != nil {
		var none A
		return none, err
	}
	return follow[A](ctx, c, http.MethodPost, path, admin.Query{"options": {string(options)}}, progress)
}

func answered(err error) error {
	if e, ok := errors.AsType[*admin.Error](err); ok {
		return &AnswerError{Status: e.Status, Reason: e.Reason}
	}
	return err
}
