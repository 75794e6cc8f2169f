package driver

import (
	"context"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Repositories lists at most n repositories that hold a manifest, those after the repository
// `last` (empty: all), in the order in which distribution walks over them: by the components
// of their names, a repository after those below it whose names begin with a digit. more
// reports whether others follow. Its cost grows with n and with the depth of the
// repositories, not with their content. Like every list, in a request it fails with a
// Refusal while this registry is still joining.
func (d *Driver) Repositories(ctx context.Context, n int, last string) (names []string, more bool, err error) {
	if err := d.store.mayList(ctx); err != nil {
		return nil, false, err
	}
	names, more = repositoriesFrom(d.store.paths.View(), n, last, "")
	return names, more, nil
}

// repositoriesFrom lists at most n repositories whose names begin with a prefix, those after `last`,
// which begins so, too, or is empty.
func repositoriesFrom(view pathmap.View, n int, last, prefix string) (names []string, more bool) {
	start := ocipath.Repositories + "/" + prefix
	path, ok := view.From(start)
	if last != "" {
		path, ok = view.Next(manifestsOf(last), false)
	}
	for ok && strings.HasPrefix(path, start) {
		name, part := splitRepository(strings.TrimPrefix(path, ocipath.Repositories+"/"))
		if part == "_manifests" && strings.HasPrefix(name, prefix) { // that of team/app begins like team/app/, too
			if len(names) == n {
				return names, true
			}
			names = append(names, name)
		}
		path, ok = view.Next(ocipath.Repositories+"/"+name+"/"+part, false)
	}
	return names, false
}

func manifestsOf(name string) string { return ocipath.Repository(name) + "/_manifests" }

// splitRepository cuts a path below repositories at the directory that distribution
// keeps in a repository, whose name begins with an underscore as no repository's does.
func splitRepository(rest string) (name, part string) {
	name, part, _ = strings.Cut(rest, "/_")
	part, _, _ = strings.Cut(part, "/")
	return name, "_" + part
}

// isRepository reports whether a repository holds anything that is shared.
func (s *store) isRepository(dir string) bool {
	view := s.paths.View()
	return view.IsDir(dir+"/_manifests") || view.IsDir(dir+"/_layers")
}
