package fsregistry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// maxLink is how much of a link is read: more bytes than a digest has.
const maxLink = 1 << 10

// Link is a file that holds a digest.
type Link struct {
	Path       string // as distribution's drivers have it
	Kind       ocipath.Kind
	Repository string // its name
	Digest     digest.Digest
	ModTime    time.Time // when it was set
	Read       time.Time // just before it was read: what is set later is another link
}

// Links yields the links of one kind in a repository, in the order of their paths, and so those of
// one directory in the order of their digests. With an error a Link has its path, or that of a
// directory that cannot be read, and no digest; the others follow.
func (t *Tree) Links(repository string, kind ocipath.Kind) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		for name, err := range t.linkNames(repository, kind) {
			link := Link{Path: ocipath.Root + "/" + name, Kind: kind, Repository: repository, Read: time.Now()}
			if err == nil {
				err = t.read(&link)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was removed meanwhile
			}
			if !yield(link, err) {
				return
			}
		}
	}
}

// Link reads the link at a path of distribution's. The error is fs.ErrNotExist when there is none.
func (t *Tree) Link(at string) (Link, error) {
	p := ocipath.Parse(at)
	link := Link{Path: at, Kind: p.Kind, Repository: strings.TrimPrefix(p.Repository, ocipath.Repositories+"/"), Read: time.Now()}
	err := t.read(&link)
	return link, err
}

// read reads what a link holds.
func (t *Tree) read(link *Link) (err error) {
	link.Digest, link.ModTime, err = t.readLink(strings.TrimPrefix(link.Path, ocipath.Root+"/"), link.Path)
	return err
}

// linkNames yields where links of a kind may be.
func (t *Tree) linkNames(repository string, kind ocipath.Kind) iter.Seq2[string, error] {
	dir := path.Join("repositories", repository)
	manifests := path.Join(dir, "_manifests")
	return func(yield func(string, error) bool) {
		switch kind {
		case ocipath.Layer:
			t.digestsIn(path.Join(dir, "_layers"), yield)
		case ocipath.Revision:
			t.digestsIn(path.Join(manifests, "revisions"), yield)
		case ocipath.TagIndex:
			t.each(path.Join(manifests, "tags"), yield, func(tag string) bool { return t.digestsIn(path.Join(tag, "index"), yield) })
		case ocipath.TagCurrent:
			t.each(path.Join(manifests, "tags"), yield, func(tag string) bool { return yield(path.Join(tag, "current/link"), nil) })
		}
	}
}

// digestsIn yields the links in the directories of digests, below those of their algorithms.
func (t *Tree) digestsIn(dir string, yield func(string, error) bool) bool {
	return t.each(dir, yield, func(algorithm string) bool {
		return t.each(algorithm, yield, func(d string) bool { return yield(path.Join(d, "link"), nil) })
	})
}

// each calls do with each directory in a directory, until it returns false.
func (t *Tree) each(dir string, yield func(string, error) bool, do func(dir string) bool) bool {
	entries, err := t.list(dir)
	if err != nil {
		return yield(dir, err)
	}
	for _, e := range entries {
		if e.IsDir() && !do(path.Join(dir, e.Name())) {
			return false
		}
	}
	return true
}

// readLink reads a link, which has the digest of its path, if there is one in that.
func (t *Tree) readLink(name, of string) (digest.Digest, time.Time, error) {
	f, info, err := t.openFile(name)
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxLink))
	if err != nil {
		return "", time.Time{}, err
	}
	d, err := digest.Parse(string(content))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("a link holds no digest, but %q: %w", strings.ToValidUTF8(string(content[:min(len(content), 80)]), "?"), err)
	}
	if p := ocipath.Parse(of); p.Kind != ocipath.TagCurrent && p.Digest != d {
		return "", time.Time{}, fmt.Errorf("a link holds another digest than that of its path: %s", d)
	}
	return d, info.ModTime(), nil
}
