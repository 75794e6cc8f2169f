package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	maxAsked = 8    // questions that are answered at the same time, of all browsers that come by one entrance
	maxText  = 1000 // bytes of what is asked about

	healthTime = 10 * time.Second // for which an answer is good
	usageTime  = 10 * time.Second
)

// question is one that is answered with JSON.
type question func(context.Context, *http.Request) (any, error)

// errAsked is about how something was asked for.
var errAsked = errors.New("name an image as repository:tag or repository@digest")

// answers is a question as it is served. Few are answered at once: some ask all members.
func (e *entrance) answers(q question) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case e.asked <- struct{}{}:
			defer func() { <-e.asked }()
		default:
			w.Header().Set("Retry-After", "2")
			fail(w, http.StatusServiceUnavailable, "too many ask at the same time: try again")
			return
		}
		v, err := q(r.Context(), r)
		if err != nil {
			fail(w, statusOf(err), err.Error())
			return
		}
		send(w, http.StatusOK, v)
	}
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, errAsked):
		return http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity // the registry's reason says all
}

func fail(w http.ResponseWriter, status int, why string) {
	send(w, status, map[string]string{"error": why})
}

func send(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser has gone
}

// askedOf is the image that a request is about.
func askedOf(r *http.Request) (string, error) {
	of := r.URL.Query().Get("of")
	if of == "" || len(of) > maxText || !strings.ContainsAny(of, ":@") {
		return "", errAsked
	}
	return of, nil
}

func (p *Page) askedImage(ctx context.Context, r *http.Request) (any, error) {
	of, err := askedOf(r)
	if err != nil {
		return nil, err
	}
	img, err := p.says.image(ctx, of)
	if err != nil {
		return nil, err
	}
	return parts{img, p.tagOf(ctx, of)}, nil
}

// parts are what an image consists of, and who had its tag lead there.
type parts struct {
	driver.Image
	Tag *driver.Tag `json:"tag"` // nil: it was asked for by a digest
}

func (p *Page) tagOf(ctx context.Context, of string) *driver.Tag {
	repository, tag, ok := splitTag(of)
	if !ok {
		return nil
	}
	names, err := p.says.names(ctx, driver.NamesOptions{Repository: repository, Prefix: tag, Limit: 1}) // of those that begin so, the shortest is the first
	if err != nil || len(names.Tags) == 0 || names.Tags[0].Name != tag {
		return nil // it was just deleted
	}
	return &names.Tags[0]
}

func (p *Page) askedWhere(ctx context.Context, r *http.Request) (any, error) {
	of, err := askedOf(r)
	if err != nil {
		return nil, err
	}
	return p.says.where(ctx, of)
}

// health is what doctor found.
type health struct {
	At       time.Time        `json:"at"`
	Severity doctor.Severity  `json:"severity"` // the worst of
	Findings []doctor.Finding `json:"findings"`
}

func (p *Page) askedHealth(ctx context.Context, _ *http.Request) (any, error) {
	return p.says.health.get(ctx)
}

// space is what the disk holds.
type space struct {
	At      time.Time            `json:"at"`
	Usage   driver.Usage         `json:"usage"`
	Blobs   driver.BlobSum       `json:"blobs"` // here
	Cache   driver.CacheStatus   `json:"cache"`
	Copies  driver.CopiesStatus  `json:"copies"`
	Garbage driver.GarbageStatus `json:"garbage"`
	byName  []*driver.ImageUsage // all of Usage.Images
}

// mostFreed is how many images are named that free most.
const mostFreed = 25

func (p *Page) askedSpace(ctx context.Context, _ *http.Request) (any, error) {
	s, err := p.says.space.get(ctx)
	s.Usage.Images = s.Usage.Images[:min(mostFreed, len(s.Usage.Images))]
	s.Usage.Repositories = s.Usage.Repositories[:min(mostFreed, len(s.Usage.Repositories))]
	return s, err
}

// spaceOf measures what the disk holds. It reads each manifest that is here once.
func spaceOf(ctx context.Context, d *driver.Driver) (space, error) {
	u, err := d.Usage(ctx, driver.UsageOptions{}, func(driver.UsageProgress) {})
	if err != nil {
		return space{}, err
	}
	s := d.Status(ctx)
	return space{
		At: time.Now(), Usage: u, Blobs: driver.BlobSum{Blobs: s.Blobs.Here, Bytes: s.Blobs.Bytes},
		Cache: s.Cache, Copies: s.Copies, Garbage: s.Garbage, byName: byName(u.Images),
	}, nil
}
