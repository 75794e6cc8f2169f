package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// maxFollow is how many seconds may be asked for.
const maxFollow = 365 * 24 * 3600

var afterParam = admin.Param{Name: "after", About: "a number: only those that are over with a greater one; without it all"}

// Transfers asks for the transfers under way, and those that are over with a greater number than
// after, as Driver.TransferStories does.
func (c *Client) Transfers(ctx context.Context, after uint64) (TransferStories, error) {
	return ask[TransferStories](ctx, c, http.MethodGet, "/v1/transfers", afterQuery(after))
}

// FollowTransfers is told of transfers until ctx ends, or the registry does, as
// Driver.FollowTransfers does.
func (c *Client) FollowTransfers(ctx context.Context, after uint64, tell func(TransferStories)) (FollowedTransfers, error) {
	return follow[FollowedTransfers](ctx, c, http.MethodGet, "/v1/transfers/follow", afterQuery(after), tell)
}

// Trace has the registry fetch the blobs of an image, or ask who has them, as Driver.Trace does. It
// ends with ctx, also in the registry. Errors are also ErrBusy.
func (c *Client) Trace(ctx context.Context, of string, o TraceOptions, progress func(TracedBlob)) (Trace, error) {
	options, err := json.Marshal(o)
	if err != nil {
		return Trace{}, err
	}
	return follow[Trace](ctx, c, http.MethodPost, "/v1/trace", admin.Query{"of": {of}, "options": {string(options)}}, progress)
}

func afterQuery(after uint64) admin.Query {
	return admin.Query{afterParam.Name: {strconv.FormatUint(after, 10)}}
}

func (s *store) askedForTransfers(_ context.Context, q admin.Query) (TransferStories, error) {
	after, err := askedAfter(q)
	if err != nil {
		return TransferStories{}, err
	}
	return s.transferStories(after), nil
}

// FollowedTransfers is how the answer to one who follows the transfers ends.
type FollowedTransfers struct {
	Last uint64 `json:"last"` // the greatest number that was told
}

func (s *store) askedToFollow(ctx context.Context, q admin.Query, tell func(TransferStories)) (FollowedTransfers, error) {
	after, err := askedAfter(q)
	if err != nil {
		return FollowedTransfers{}, err
	}
	seconds, err := askedNumber(q, "seconds")
	if err != nil {
		return FollowedTransfers{}, err
	}
	within := ctx
	if seconds > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, time.Duration(min(seconds, maxFollow))*time.Second)
		defer cancel()
	}
	last, err := s.followTransfers(within, after, tell)
	if within.Err() != nil {
		err = ctx.Err()
	}
	return FollowedTransfers{Last: last}, err
}

func askedAfter(q admin.Query) (uint64, error) { return askedNumber(q, afterParam.Name) }

// askedNumber is the value of a parameter; 0: it is not given.
func askedNumber(q admin.Query, name string) (uint64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, admin.Invalid(fmt.Errorf("%s: %q is no number", name, text))
	}
	return n, nil
}

func (s *store) askedToTrace(ctx context.Context, q admin.Query, tell func(TracedBlob)) (Trace, error) {
	var o TraceOptions
	if text := q.Get("options"); text != "" {
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return Trace{}, admin.Invalid(fmt.Errorf("read the options: %w", err))
		}
	}
	return s.trace(ctx, q.Get("of"), o, tell)
}
