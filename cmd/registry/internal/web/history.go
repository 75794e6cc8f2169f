package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	maxLooked  = 500 // changes of a repository, among which those of a tag are looked for
	maxHistory = 50  // changes of a tag that are shown
)

// history is what happened to a tag.
type history struct {
	Changes []driver.LogChange `json:"changes"` // the latest first
	More    bool               `json:"more"`    // there may be earlier ones
}

func (p *Page) askedHistory(ctx context.Context, r *http.Request) (any, error) {
	of, err := askedOf(r)
	if err != nil {
		return nil, err
	}
	repository, tag, ok := splitTag(of)
	if !ok {
		return nil, errAsked
	}
	all, err := p.says.log(ctx, driver.LogOptions{Repository: repository, Limit: maxLooked})
	if err != nil {
		return nil, err
	}
	h := history{Changes: []driver.LogChange{}, More: all.Next != ""}
	for _, c := range all.Changes {
		if c.Tag != tag {
			continue
		}
		if len(h.Changes) == maxHistory {
			h.More = true
			break
		}
		h.Changes = append(h.Changes, c)
	}
	return h, nil
}

// splitTag cuts repository:tag; false when it is none, as with a digest.
func splitTag(of string) (repository, tag string, ok bool) {
	i := strings.LastIndex(of, ":")
	if i < 0 || strings.Contains(of, "@") {
		return "", "", false
	}
	return of[:i], of[i+1:], true
}
