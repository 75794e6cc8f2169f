package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxImages is how many images one answer lists.
const maxImages = 100

// images are some of those that there are, by their names.
type images struct {
	At     time.Time           `json:"at"`
	All    int                 `json:"all"`    // images that there are
	Found  int                 `json:"found"`  // whose names have what was looked for
	Images []driver.ImageUsage `json:"images"` // the first of these after the one that was named
	More   bool                `json:"more"`   // others follow
}

// askedImages lists the images whose names have a text in them, `q`, and come after `after`.
func (p *Page) askedImages(ctx context.Context, r *http.Request) (any, error) {
	s, err := p.says.space.get(ctx)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	return search(s, q.Get("q"), q.Get("after")), nil
}

func search(s space, text, after string) images {
	found := images{At: s.At, All: len(s.byName), Images: []driver.ImageUsage{}}
	text = strings.ToLower(text)
	for _, img := range s.byName {
		name := nameOf(img)
		if !strings.Contains(strings.ToLower(name), text) {
			continue
		}
		found.Found++
		switch {
		case name <= after:
		case len(found.Images) < maxImages:
			found.Images = append(found.Images, *img)
		default:
			found.More = true
		}
	}
	return found
}

// byName sorts images, without copying them.
func byName(all []driver.ImageUsage) []*driver.ImageUsage {
	sorted := make([]*driver.ImageUsage, len(all))
	for i := range all {
		sorted[i] = &all[i]
	}
	slices.SortFunc(sorted, func(a, b *driver.ImageUsage) int { return cmp.Compare(nameOf(a), nameOf(b)) })
	return sorted
}

// nameOf is an image as its users write it. Manifests of a repository without a tag come first.
func nameOf(img *driver.ImageUsage) string { return img.Repository + ":" + img.Tag }
