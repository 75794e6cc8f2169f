// Package ocipath is the grammar of the paths under which distribution keeps a registry, as
// far as a storage driver has to understand it:
//
//	…/blobs/<algorithm>/<two digits>/<hex>/data
//	…/repositories/<name>/_layers/<algorithm>/<hex>/link
//	…/repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
//	…/repositories/<name>/_manifests/tags/<tag>/current/link
//	…/repositories/<name>/_manifests/tags/<tag>/index/<algorithm>/<hex>/link
//	…/repositories/<name>/_uploads/<uuid>/…
//
//	p := ocipath.Parse(path)
//	if p.Kind == ocipath.Revision {
//		data := ocipath.BlobData(p.Root, p.Digest)
//	}
//
// Source: registry/storage/paths.go of distribution 3.1.
//
// Limits: it reads text, and does not know whether anything lies at a path.
package ocipath

import (
	_ "crypto/sha256" // a digest is valid when its algorithm is linked in
	_ "crypto/sha512"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Root is where distribution keeps everything.
const Root = "/docker/registry/v2"

// Repositories is where it keeps the repositories.
const Repositories = Root + "/repositories"

// Kind is what lies at a path.
type Kind int

// What is not one of the others, such as a directory, is Other.
const (
	Other      Kind = iota
	Blob            // the bytes of a blob or manifest
	Layer           // the link of a blob to a repository
	Revision        // the link of a manifest to a repository
	TagCurrent      // the link of a tag to its manifest
	TagIndex        // the link of a tag to a manifest that it once named
	Upload          // anything of an upload in progress
)

// Path is a parsed path.
type Path struct {
	Kind Kind
	Root string // what comes before blobs or repositories
	// Repository is the directory of the repository at or below which the path lies;
	// empty: none.
	Repository string
	Tag        string        // in whose directory the path lies; empty: none
	Digest     digest.Digest // of a Blob, Layer, Revision or TagIndex; empty where it is malformed
}

// Parse parses a path. It never fails: what it does not understand is Other.
func Parse(p string) Path {
	p = strings.TrimSuffix(p, "/")
	if root, rest, ok := strings.Cut(p, "/repositories/"); ok {
		return inRepository(root, rest)
	}
	i := strings.LastIndex(p, "/blobs/")
	if i < 0 {
		return Path{}
	}
	out := Path{Root: p[:i]}
	parts := strings.Split(p[i+len("/blobs/"):], "/")
	if len(parts) == 4 && parts[3] == "data" && len(parts[1]) == 2 && strings.HasPrefix(parts[2], parts[1]) {
		if d := digestOf(parts[0], parts[2]); d != "" {
			out.Kind, out.Digest = Blob, d
		}
	}
	return out
}

// inRepository parses what lies below repositories. The directories in a repository begin
// with an underscore, as no component of a name does.
func inRepository(root, rest string) Path {
	name, in, ok := strings.Cut(rest, "/_")
	out := Path{Root: root, Repository: root + "/repositories/" + name}
	if !ok {
		return out
	}
	parts := strings.Split(in, "/")
	switch n := len(parts); {
	case parts[0] == "uploads":
		out.Kind = Upload
	case parts[0] == "layers" && n == 4 && parts[3] == "link":
		out.Kind, out.Digest = Layer, digestOf(parts[1], parts[2])
	case parts[0] != "manifests" || n < 3:
	case parts[1] == "revisions" && n == 5 && parts[4] == "link":
		out.Kind, out.Digest = Revision, digestOf(parts[2], parts[3])
	case parts[1] == "tags":
		out.Tag = parts[2]
		if n == 5 && parts[3] == "current" && parts[4] == "link" {
			out.Kind = TagCurrent
		}
		if n == 7 && parts[3] == "index" && parts[6] == "link" {
			out.Kind, out.Digest = TagIndex, digestOf(parts[4], parts[5])
		}
	}
	return out
}

// IsLink reports whether the path is a link, which holds a digest.
func (p Path) IsLink() bool { return p.Kind >= Layer && p.Kind <= TagIndex }

func digestOf(algorithm, hex string) digest.Digest {
	d := digest.Digest(algorithm + ":" + hex)
	if isSHA256(algorithm, hex) || d.Validate() == nil {
		return d
	}
	return ""
}

// isSHA256 spares most digests a regular expression, which took half of the time of Parse.
func isSHA256(algorithm, hex string) bool {
	if algorithm != string(digest.SHA256) || len(hex) != 64 {
		return false
	}
	for i := range len(hex) {
		if c := hex[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// BlobData is where the bytes of a digest lie below a root. The digest must be valid.
func BlobData(root string, d digest.Digest) string {
	return path.Join(root+"/blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}

// Repository is the directory of a repository by its name.
func Repository(name string) string { return Repositories + "/" + name }

// RevisionLink is the link of a manifest to a repository, given its directory. The digest
// must be valid.
func RevisionLink(repository string, d digest.Digest) string {
	return path.Join(repository, "_manifests/revisions", d.Algorithm().String(), d.Encoded(), "link")
}

// LayerLink is the link of a blob to a repository, given its directory. The digest must be
// valid.
func LayerLink(repository string, d digest.Digest) string {
	return path.Join(repository, "_layers", d.Algorithm().String(), d.Encoded(), "link")
}

// Tags is the directory of a repository's tags, given its directory.
func Tags(repository string) string { return repository + "/_manifests/tags" }

// CurrentLink is the link of a tag to its manifest, given the directory of its repository.
func CurrentLink(repository, tag string) string {
	return path.Join(Tags(repository), tag, "current/link")
}

// IndexLink is the link of a tag to a manifest that it once named, given the directory of
// its repository. The digest must be valid.
func IndexLink(repository, tag string, d digest.Digest) string {
	return path.Join(Tags(repository), tag, "index", d.Algorithm().String(), d.Encoded(), "link")
}
