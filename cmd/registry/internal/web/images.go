package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

const (
	maxImages = 100 // that one answer lists
	// platformTime is how long their manifests may take to be read. Nearly all are here.
	platformTime = 2 * time.Second
	readAtOnce   = 8 // images
)

// images are some of those that there are, by their names.
type images struct {
	At     time.Time `json:"at"`
	All    int       `json:"all"`    // images that there are
	Found  int       `json:"found"`  // whose names have what was looked for
	Images []image   `json:"images"` // the first of these after the one that was named
	More   bool      `json:"more"`   // others follow
}

// image is one of them.
type image struct {
	driver.ImageUsage
	Platforms []string `json:"platforms"` // null: not known in time, or it is no image
}

// askedImages lists the images whose names have a text in them, `q`, and come after `after`.
func (p *Page) askedImages(ctx context.Context, r *http.Request) (any, error) {
	s, err := p.says.space.get(ctx)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	found := search(s, q.Get("q"), q.Get("after"))
	p.addPlatforms(ctx, found.Images)
	return found, nil
}

// addPlatforms says for which platforms images are, as far as their manifests can be read in time.
func (p *Page) addPlatforms(ctx context.Context, all []image) {
	ctx, cancel := context.WithTimeout(ctx, platformTime)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(readAtOnce)
	for i := range all {
		if all[i].Tag == "" {
			continue
		}
		g.Go(func() error {
			of, err := p.says.image(ctx, nameOf(&all[i].ImageUsage))
			if err == nil {
				all[i].Platforms = platformsOf(of)
			}
			return nil
		})
	}
	_ = g.Wait() // what is not known is left out
}

func platformsOf(of driver.Image) []string {
	names := []string{}
	for _, v := range of.Variants {
		if v.Platform != "" {
			names = append(names, v.Platform)
		}
	}
	return names
}

func search(s space, text, after string) images {
	found := images{At: s.At, All: len(s.byName), Images: []image{}}
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
			found.Images = append(found.Images, image{ImageUsage: *img})
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
