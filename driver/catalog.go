package driver

import (
	"context"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
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
	view := d.store.paths.View()
	after := ocipath.Repositories
	if last != "" {
		after = manifestsOf(last)
	}
	for path, ok := view.Next(after, last == ""); ok; path, ok = view.Next(after, false) {
		rest, below := strings.CutPrefix(path, ocipath.Repositories+"/")
		if !below {
			break
		}
		name, part := splitRepository(rest)
		after = ocipath.Repositories + "/" + name + "/" + part
		if part != "_manifests" {
			continue
		}
		if len(names) == n {
			return names, true, nil
		}
		names = append(names, name)
	}
	return names, false, nil
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
