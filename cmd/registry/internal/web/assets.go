package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var files embed.FS

// types are the media types of the assets, by the ends of their names. What the machine's own tables
// say does not matter.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// asset is a file of the page.
type asset struct {
	path    string // at which it is served, as a pattern of http.ServeMux
	kind    string
	tag     string // of HTTP: another one for another content
	content []byte
}

func assets() (all []asset) {
	list, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, f := range list {
		content, err := files.ReadFile("assets/" + f.Name())
		if err != nil {
			panic(err)
		}
		a := asset{path: "/" + f.Name(), kind: types[path.Ext(f.Name())], content: content}
		a.tag = fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(content)))
		if f.Name() == "index.html" {
			a.path = "/{$}"
		}
		all = append(all, a)
	}
	return all
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "no-cache") // kept, and asked for again: a new release is seen at once
	w.Header().Set("ETag", a.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
