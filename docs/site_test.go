package docs_test

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from here.
const root = ".."

// markdown reads what is for readers: the files of the root, and docs/.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	read := func(name string) {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(content)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		read(name)
	}
	if err := filepath.WalkDir(".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(name, ".md") {
			read(path.Join("docs", filepath.ToSlash(name)))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return pages
}

var (
	fence     = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeSpan  = regexp.MustCompile("(?s)``.+?``|`[^`]+`")
	linkTo    = regexp.MustCompile(`(?s)\]\(([^()\s]+)\)`)
	headings  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	anchorTag = regexp.MustCompile(`<a id="([^"]+)">`)
	inLinks   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	noAnchor  = regexp.MustCompile(`[^\p{L}\p{N}\-_ ]`)
)

// anchors are where a link into a page may lead: by its headings, as GitHub and the site name them.
func anchors(content string) map[string]bool {
	content = fence.ReplaceAllString(content, "")
	all, times := map[string]bool{}, map[string]int{}
	for _, h := range headings.FindAllStringSubmatch(content, -1) {
		text := noAnchor.ReplaceAllString(strings.ToLower(inLinks.ReplaceAllString(h[1], "$1")), "")
		anchor := strings.ReplaceAll(text, " ", "-")
		if n := times[anchor]; n > 0 {
			all[fmt.Sprintf("%s-%d", anchor, n)] = true
		}
		times[anchor]++
		all[anchor] = true
	}
	for _, a := range anchorTag.FindAllStringSubmatch(content, -1) {
		all[a[1]] = true
	}
	return all
}

// TestLinksLead: each link of a page leads to a file of the repository, and to a place in it.
func TestLinksLead(t *testing.T) {
	pages := markdown(t)
	links := 0
	for name, content := range pages {
		content = codeSpan.ReplaceAllString(fence.ReplaceAllString(content, ""), "")
		for _, l := range linkTo.FindAllStringSubmatch(content, -1) {
			to, err := url.Parse(l[1])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			links++
			file := name
			if to.Path != "" {
				file = path.Join(path.Dir(name), to.Path)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: there is no %s", name, file)
			} else if target, page := pages[file]; to.Fragment != "" && (!page || !anchors(target)[to.Fragment]) {
				t.Errorf("%s: %s has no #%s", name, file, to.Fragment)
			}
		}
	}
	if links < 200 {
		t.Errorf("only %d links were found", links)
	}
}

var docsLink = regexp.MustCompile(`docs/[a-z/0-9-]+\.md(?:#[a-z0-9-]+)?`)

// TestTextsNamePages: what alerts, units and configurations say of a page is there.
func TestTextsNamePages(t *testing.T) {
	pages := markdown(t)
	for _, name := range []string{"deploy/prometheus/alerts.yml", "deploy/package/config.yml", "deploy/image/config.yml", "config.example.yml"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range docsLink.FindAllString(string(content), -1) {
			file, anchor, _ := strings.Cut(l, "#")
			if target, ok := pages[file]; !ok || anchor != "" && !anchors(target)[anchor] {
				t.Errorf("%s names %s, which is not there", name, l)
			}
		}
	}
}

var listed = regexp.MustCompile(`(?m)^pages = \[(.*)\]$`)

// TestTheSiteHasAllPages: each page of docs is where a reader of the site finds it.
func TestTheSiteHasAllPages(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(root, "tools/site/hugo.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var of []string
	for _, part := range listed.FindAllStringSubmatch(string(config), -1) {
		for name := range strings.SplitSeq(part[1], ",") {
			of = append(of, strings.Trim(name, ` "`))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(markdown(t))) {
		page, ok := strings.CutPrefix(strings.TrimSuffix(name, ".md"), "docs/")
		if ok && !strings.Contains(page, "/") && !slices.Contains(of, page) {
			t.Errorf("tools/site/hugo.toml lists no %s: put it where a reader comes to it", page)
		}
	}
}
