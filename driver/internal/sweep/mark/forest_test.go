package mark_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// TestForests compares random registries with what the rules say, applied to one path after
// the other until nothing changes.
func TestForests(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 200
	}
	unused, hindered := 0, 0
	for seed := range uint64(n) {
		w := grow(rand.New(rand.NewPCG(seed, 0)))
		for _, untagged := range []bool{false, true} {
			result, err := mark.Mark(t.Context(), w.view(), mark.Options{Read: w.read, Untagged: untagged})
			require.NoError(t, err)
			got := slices.Collect(result.Paths())
			want := newReference(w, untagged).unused()
			if !slices.Equal(slices.Sorted(slices.Values(got)), want) {
				t.Fatalf("seed %d, untagged %v:\n%s\nunused\n%s\nnot\n%s", seed, untagged, w.list(slices.Sorted(maps.Keys(w.paths))), w.list(got), w.list(want))
			}
			checkOrder(t, got)
			checkSums(t, w, result, got)
			unused += len(got)
			hindered += result.UnreadableCount
		}
	}
	require.NotZero(t, unused)
	require.NotZero(t, hindered)
}

func (w *world) list(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		fmt.Fprintln(&b, w.name(path))
	}
	return b.String()
}

// checkOrder: links come before what they lead to, and paths of a kind in the order of the
// map.
func checkOrder(t *testing.T, paths []string) {
	rank := map[ocipath.Kind]string{ocipath.TagIndex: "1", ocipath.Revision: "2", ocipath.Layer: "3", ocipath.Blob: "4"}
	require.True(t, slices.IsSortedFunc(paths, func(a, b string) int {
		key := func(p string) string { return rank[ocipath.Parse(p).Kind] + strings.ReplaceAll(p, "/", "\x00") }
		return strings.Compare(key(a), key(b))
	}), "%v", paths)
}

func checkSums(t *testing.T, w *world, r *mark.Result, unused []string) {
	view := w.view()
	count := func(paths []string) (s mark.Sums) {
		repositories := map[string]bool{}
		for _, path := range paths {
			p := ocipath.Parse(path)
			if p.IsLink() {
				repositories[p.Repository] = true
			}
			switch p.Kind {
			case ocipath.Revision:
				s.Manifests++
			case ocipath.Layer:
				s.Layers++
			case ocipath.Blob:
				s.Blobs++
				e, _ := view.Get(path)
				s.Bytes += e.Size
			}
		}
		s.Repositories = len(repositories)
		return s
	}
	require.Equal(t, count(unused), r.Unused)
	all := count(slices.Collect(maps.Keys(w.paths)))
	all.Bytes, all.Repositories = r.All.Bytes, r.All.Repositories
	require.Equal(t, all, r.All)
}

// grow makes a registry of a few repositories, blobs and manifests that name each other in
// all ways, some of them damaged.
func grow(rnd *rand.Rand) *world {
	w := newWorld()
	repos := []string{"a", "a/b", "0", "/other!a", "!a"}
	repos = repos[:1+rnd.IntN(len(repos))]
	some := func(of string, from, to int) (names []string) {
		for range from + rnd.IntN(to-from+1) {
			name := fmt.Sprint(of, rnd.IntN(6))
			if rnd.IntN(10) == 0 {
				name += "@sha512"
			}
			names = append(names, name)
		}
		return names
	}
	for i := range 1 + rnd.IntN(8) {
		name, repo := fmt.Sprint("m", i), repos[rnd.IntN(len(repos))]
		fields := map[string][]string{"layers": some("l", 0, 3)}
		for field, of := range map[string]string{"manifests": "m", "subject": "m", "fsLayers": "l", "more": "m"} {
			if rnd.IntN(4) == 0 {
				fields[field] = some(of, 1, 2)
			}
		}
		w.push(repo, name, fields)
		if rnd.IntN(2) == 0 {
			w.tag(repository(repo), fmt.Sprint(rnd.IntN(3)), name)
		}
		if rnd.IntN(8) == 0 {
			w.add(ocipath.CurrentLink(repository(repo), "0"), w.linkTo(w.digest(name)))
		}
		if rnd.IntN(4) == 0 {
			w.revision(repository(repos[rnd.IntN(len(repos))]), name)
		}
		if rnd.IntN(8) == 0 {
			to := w.digest(name + []string{"", "@sha512"}[rnd.IntN(2)])
			w.set(ocipath.RevisionLink(repository(repo), w.digest(name+"@sha512")), w.linkTo(to))
		}
	}
	for _, repo := range repos {
		for _, l := range some("l", 0, 2) {
			w.pushLayer(repo, l)
		}
	}
	w.damage(rnd, repos)
	return w
}

// damage loses entries, makes manifests unreadable, and has a later release write some.
func (w *world) damage(rnd *rand.Rand, repos []string) {
	at := slices.Sorted(maps.Keys(w.paths))
	for range rnd.IntN(3) {
		delete(w.paths, at[rnd.IntN(len(at))])
	}
	name := fmt.Sprint("m", rnd.IntN(8))
	switch rnd.IntN(12) {
	case 0:
		w.failing[w.cid(name)] = errElsewhere
	case 1:
		w.contents[w.cid(name)] = []byte("{")
	case 2:
		w.newer(at[rnd.IntN(len(at))])
	case 3:
		w.newer(repository(repos[rnd.IntN(len(repos))]) + []string{"/_x/y", "/x"}[rnd.IntN(2)])
	}
}

// reference applies the rules to a world, slowly.
type reference struct {
	*world
	untagged bool
	view     pathmap.View
	live     map[string]bool // paths
	stays    map[string]bool // repositories, or "everything"
	hindered bool            // by what cannot be read
}

func newReference(w *world, untagged bool) *reference {
	r := &reference{world: w, untagged: untagged, view: w.view(), live: map[string]bool{}, stays: map[string]bool{}, hindered: true}
	for changed := true; changed; {
		before := len(r.live) + len(r.stays)
		for path := range w.paths {
			r.look(path)
		}
		changed = len(r.live)+len(r.stays) > before
	}
	return r
}

func (r *reference) unused() []string {
	unused := []string{}
	for _, path := range slices.Sorted(maps.Keys(r.paths)) {
		p := ocipath.Parse(path)
		known := p.Kind == ocipath.Blob || p.Kind == ocipath.Layer || p.Kind == ocipath.Revision || p.Kind == ocipath.TagIndex
		if r.stays["everything"] {
			return []string{}
		}
		if known && !r.live[path] && !r.stays[p.Repository] {
			unused = append(unused, path)
		}
	}
	return unused
}

// later reports whether a later release wrote a path.
func (r *reference) later(path string) bool {
	return slices.ContainsFunc(r.paths[path], func(v pathmap.Version) bool { return v.Value[0] == 2 })
}

// leads gives the digests that a link holds.
func (r *reference) leads(path string) (to []digest.Digest) {
	for _, v := range r.paths[path] {
		if e, err := pathmap.UnmarshalEntry(v.Value); err == nil {
			content, inline := dag.InlineBytes(e.CID)
			if !inline {
				content = r.contents[e.CID]
			}
			to = append(to, digest.Digest(content))
		}
	}
	return to
}

// look applies the rules to one path.
func (r *reference) look(path string) {
	p := ocipath.Parse(path)
	if r.later(path) {
		switch {
		case p.Kind == ocipath.Blob:
			r.live[path] = true
		case strings.HasPrefix(path, p.Repository+"/_"):
			r.stay(p.Repository)
		default:
			r.stay("everything")
		}
	}
	all := r.stays[p.Repository]
	switch p.Kind {
	case ocipath.TagCurrent:
		for _, d := range r.leads(path) {
			if r.keep(ocipath.RevisionLink(p.Repository, d)); all {
				r.need(p, d)
			}
		}
	case ocipath.TagIndex:
		if r.live[ocipath.RevisionLink(p.Repository, p.Digest)] {
			r.live[path] = true
		}
		if all {
			r.need(p, p.Digest)
		}
	case ocipath.Layer:
		if all {
			r.need(p, p.Digest)
		}
	case ocipath.Revision:
		r.lookAtManifest(path, p)
	}
}

func (r *reference) lookAtManifest(path string, p ocipath.Path) {
	if !r.untagged || r.stays[p.Repository] {
		r.keep(path)
	}
	names, subject, err := r.manifest(path, p)
	switch {
	case errors.Is(err, pathmap.ErrNotFound) && r.hindered && r.tagged(path, p):
		r.stay(p.Repository)
	case errors.Is(err, pathmap.ErrNotFound):
	case err != nil:
		r.stay(p.Repository)
	}
	for _, s := range subject {
		if r.live[ocipath.RevisionLink(p.Repository, s)] {
			r.keep(path)
		}
	}
	if !r.live[path] {
		return
	}
	r.need(p, p.Digest)
	for _, d := range names {
		r.need(p, d)
		r.keep(ocipath.RevisionLink(p.Repository, d))
	}
}

func (r *reference) stay(repository string) {
	if r.hindered {
		r.stays[repository] = true
	}
}

// tagged reports whether a tag leads to a manifest: whether it would be live if untagged ones
// were garbage, and nothing hindered that.
func (r *reference) tagged(path string, p ocipath.Path) bool {
	strict := &reference{world: r.world, untagged: true, view: r.view, live: map[string]bool{}}
	for changed := true; changed; {
		before := len(strict.live)
		for other := range r.paths {
			if ocipath.Parse(other).Repository == p.Repository {
				strict.look(other)
			}
		}
		changed = len(strict.live) > before
	}
	return strict.live[path]
}

// keep makes a path live, if it is one.
func (r *reference) keep(path string) {
	if r.paths[path] != nil {
		r.live[path] = true
	}
}

// need makes the link to a digest live, and the bytes, also where a link leads elsewhere.
func (r *reference) need(p ocipath.Path, d digest.Digest) {
	all := []digest.Digest{d}
	all = append(all, r.leads(ocipath.LayerLink(p.Repository, d))...)
	all = append(all, r.leads(ocipath.RevisionLink(p.Repository, d))...)
	for _, d := range all {
		r.keep(ocipath.LayerLink(p.Repository, d))
		r.keep(ocipath.BlobData(p.Root, d))
	}
}

// manifest reads what a revision's manifest names, wherever its bytes are.
func (r *reference) manifest(path string, p ocipath.Path) (names, subjects []digest.Digest, err error) {
	for _, d := range append([]digest.Digest{p.Digest}, r.leads(path)...) {
		e, err := r.view.Get(ocipath.BlobData(p.Root, d))
		if errors.Is(err, pathmap.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		content, err := r.read(context.Background(), e)
		if err != nil {
			return nil, nil, err
		}
		var m map[string]any
		if err := json.Unmarshal(content, &m); err != nil {
			return nil, nil, err
		}
		subjects = digestsIn(m["subject"])
		delete(m, "subject")
		return digestsIn(m), subjects, nil
	}
	return nil, nil, pathmap.ErrNotFound
}

func digestsIn(v any) (all []digest.Digest) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			all = append(all, digestsIn(one)...)
		}
	case map[string]any:
		for key, one := range v {
			if s, ok := one.(string); ok && (key == "digest" || key == "blobSum") {
				all = append(all, digest.Digest(s))
			}
			all = append(all, digestsIn(one)...)
		}
	}
	return all
}
