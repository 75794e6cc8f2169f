package usage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/usage"
)

// TestShares plays the files in testdata: a registry, "----", and what its images take. Each line
// says what was done; a manifest has 100 bytes:
//
//	push a:1 m config=c:1 layers=l:10   m is pushed, with blobs of so many bytes; also manifests=,
//	                                    subject=; without a tag: push a m
//	tag a:2 m                           a:2 names m
//	untag a:1, delete a m               a client deletes a tag, or a manifest and not its tags
//	layer a l:10                        l is pushed to a, or mounted
//	away l                              l is not on this disk
//	copies l 2                          the survey found l on two registries
//	fail m, lose m                      m cannot be read here, its bytes have no entry
//	newer /x                            a path that a later release wrote
//
// After a change that is meant, go test -run TestShares -rewrite writes the outcomes anew: read each.
func TestShares(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, file string) {
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			w := newWorld(t)
			for line := range strings.Lines(d.Input) {
				w.play(line)
			}
			o := usage.Options{Untagged: d.HasArg("untagged")}
			for _, arg := range d.CmdArgs {
				if arg.Key == "of" {
					o.Of = arg.Vals
				}
			}
			return outcome(w.measure(o))
		})
	})
}

func (w *world) measure(o usage.Options) *usage.Report {
	w.t.Helper()
	var reads atomic.Int64
	o.Read = func(ctx context.Context, e pathmap.Entry) ([]byte, error) {
		reads.Add(1)
		return w.read(ctx, e)
	}
	o.Here = func(c cid.Cid) bool { return !w.away[c] }
	o.Copies = func(c cid.Cid) int { return w.copies[c] }
	report, err := usage.Measure(w.t.Context(), w.view(), o)
	require.NoError(w.t, err)
	revisions := 0
	for path := range w.paths {
		if ocipath.Parse(path).Kind == ocipath.Revision {
			revisions++
		}
	}
	require.LessOrEqual(w.t, int(reads.Load()), revisions, "manifests are read once")
	return report
}

func outcome(r *usage.Report) string {
	var b strings.Builder
	for _, rows := range [][]usage.Row{r.Images, r.Repositories} {
		for _, row := range rows {
			name := row.Repository + ":" + row.Tag
			if row.Tags > 0 || row.Tag == "" && row.Blobs > 0 && row.Manifests == 0 {
				name = row.Repository
			}
			fmt.Fprintf(&b, "%s %d blobs, size %d = own %d + shared %d, here %d, frees %d", name, row.Blobs, row.Size, row.Own, row.Shared(), row.Here, row.Frees)
			for _, n := range []struct {
				of   string
				from int
			}{{"tags", row.Tags}, {"manifests", row.Manifests}, {"copies", row.Copies}, {"only here", int(row.OnlyHere)}, {"unread", row.Unread}} {
				if n.from > 0 {
					fmt.Fprintf(&b, ", %s %d", n.of, n.from)
				}
			}
			b.WriteByte('\n')
		}
		b.WriteString("-\n")
	}
	fmt.Fprintf(&b, "here %v, garbage %v, together %v\n", r.Named, r.Garbage, r.Together)
	for _, u := range r.Unread {
		p := ocipath.Parse(u.Path)
		fmt.Fprintf(&b, "cannot read one of %s: %s\n", p.Repository, u.Err)
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(&b, "there is no %s\n", strings.Join(r.Missing, ", "))
	}
	return b.String()
}

// TestWhatAnImageFreesIsWhatACollectionFinds: in random registries, when it is deleted and nothing
// else is.
func TestWhatAnImageFreesIsWhatACollectionFinds(t *testing.T) {
	freed := int64(0)
	for seed := range uint64(300) {
		w := grow(t, rand.New(rand.NewPCG(seed, 0)))
		r := w.measure(usage.Options{Untagged: true})
		before := w.unused()
		require.EqualValues(t, before, r.Garbage.Bytes, "seed %d", seed)
		for _, row := range r.Images {
			with := &world{t: t, paths: map[string][]byte{}, contents: w.contents, away: w.away}
			for path, e := range w.paths {
				with.paths[path] = e
			}
			with.play("untag " + row.Repository + ":" + row.Tag)
			require.EqualValues(t, with.unused()-before, row.Frees, "seed %d, %s:%s", seed, row.Repository, row.Tag)
			freed += row.Frees
		}
		for _, row := range r.Repositories {
			with := &world{t: t, paths: map[string][]byte{}, contents: w.contents, away: w.away}
			for path, e := range w.paths {
				if ocipath.Parse(path).Repository != ocipath.Repository(row.Repository) {
					with.paths[path] = e
				}
			}
			require.EqualValues(t, with.unused()-before, row.Frees, "seed %d, %s", seed, row.Repository)
		}
	}
	require.NotZero(t, freed)
}

// unused are the bytes of this disk that a collection would find unused.
func (w *world) unused() (bytes int64) {
	view := w.view()
	r, err := mark.Mark(w.t.Context(), view, mark.Options{Read: w.read, Untagged: true})
	require.NoError(w.t, err)
	for path := range r.Paths() {
		if e, err := view.Get(path); err == nil && ocipath.Parse(path).Kind == ocipath.Blob && !w.away[e.CID] {
			bytes += e.Size
		}
	}
	return bytes
}

// grow makes a registry whose manifests name each other in all ways.
func grow(t *testing.T, rnd *rand.Rand) *world {
	w := newWorld(t)
	for i := range 1 + rnd.IntN(9) {
		repo, name := string(rune('a'+rnd.IntN(3))), fmt.Sprint("m", i)
		fields := map[string][]string{}
		for range rnd.IntN(4) {
			fields["layers"] = append(fields["layers"], fmt.Sprintf("l%d:%d", rnd.IntN(8), 1))
		}
		for _, field := range []string{"manifests", "subject"} {
			if rnd.IntN(3) == 0 {
				fields[field] = []string{fmt.Sprint("m", rnd.IntN(9))}
			}
		}
		w.push(repo, name, fields)
		if rnd.IntN(3) > 0 {
			w.tag(repo, fmt.Sprint(rnd.IntN(4)), name)
		}
		if rnd.IntN(4) == 0 {
			w.play(fmt.Sprintf("away l%d", rnd.IntN(8)))
		}
	}
	return w
}
