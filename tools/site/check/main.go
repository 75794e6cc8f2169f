// Check reads the built site: each link leads to a file of it and to a place in that file, and nothing on
// a page is fetched from elsewhere.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"

	"golang.org/x/net/html"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check <directory of the site>")
		os.Exit(2)
	}
	if err := check(os.DirFS(os.Args[1])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// page is what a page has: places, where its links lead, and what a browser fetches for it.
type page struct {
	ids            map[string]bool
	links, fetched []string
}

func check(site fs.FS) error {
	pages := map[string]*page{}
	if err := fs.WalkDir(site, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".html" {
			return err
		}
		pages[name], err = read(site, name)
		return err
	}); err != nil {
		return err
	}
	if len(pages) == 0 {
		return errors.New("there is no page")
	}
	var faults []error
	for name, p := range pages {
		for _, to := range p.links {
			if err := leads(site, pages, name, to); err != nil {
				faults = append(faults, fmt.Errorf("%s: %q: %w", name, to, err))
			}
		}
		for _, from := range p.fetched {
			if u, err := url.Parse(from); err != nil || u.Scheme != "" || u.Host != "" {
				faults = append(faults, fmt.Errorf("%s: fetches %q from elsewhere", name, from))
			} else if err := leads(site, pages, name, from); err != nil {
				faults = append(faults, fmt.Errorf("%s: %q: %w", name, from, err))
			}
		}
	}
	return errors.Join(faults...)
}

func read(site fs.FS, name string) (*page, error) {
	file, err := site.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	root, err := html.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &page{ids: map[string]bool{}}
	for node := range root.Descendants() {
		for _, a := range node.Attr {
			switch {
			case a.Key == "id":
				p.ids[a.Val] = true
			case a.Key == "href" && node.Data == "a":
				p.links = append(p.links, a.Val)
			case a.Key == "href", a.Key == "src", a.Key == "srcset":
				p.fetched = append(p.fetched, a.Val)
			}
		}
	}
	return p, nil
}

// leads looks where a link of a page leads, unless that is elsewhere.
func leads(site fs.FS, pages map[string]*page, from, to string) error {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" {
		return err
	}
	if strings.HasPrefix(u.Path, "/") {
		return errors.New("leads to a root that the site may not have")
	}
	name := from
	if u.Path != "" {
		name = path.Join(path.Dir(from), u.Path)
	}
	if _, err := fs.Stat(site, name); err != nil {
		return err
	}
	if p := pages[name]; u.Fragment != "" && (p == nil || !p.ids[u.Fragment]) {
		return fmt.Errorf("%s has no such place", name)
	}
	return nil
}
