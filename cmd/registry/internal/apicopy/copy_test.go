package apicopy

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"
)

// server is a registry in memory.
type server struct {
	host    string
	writes  atomic.Int64 // PUTs, POSTs and PATCHes
	refuses atomic.Pointer[string]
}

// serve starts one; refuses is a part of paths that are answered with 404.
func serve(t *testing.T, wrap func(http.Handler) http.Handler) *server {
	t.Helper()
	s := &server{}
	inner := wrap(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if part := s.refuses.Load(); part != nil && strings.Contains(r.URL.Path, *part) {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		if r.Method == http.MethodPut || r.Method == http.MethodPost || r.Method == http.MethodPatch {
			s.writes.Add(1)
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	s.host = strings.TrimPrefix(h.URL, "http://")
	return s
}

func open(h http.Handler) http.Handler { return h }

func (s *server) refuse(part string) { s.refuses.Store(&part) }

func (s *server) at(t *testing.T) Registry {
	t.Helper()
	r, err := At("http://"+s.host, nil)
	require.NoError(t, err)
	return r
}

func (s *server) push(t *testing.T, of string) v1.Image {
	t.Helper()
	img, err := random.Image(2000, 2)
	require.NoError(t, err)
	require.NoError(t, crane.Push(img, s.host+"/"+of))
	return img
}

func (s *server) requireImage(t *testing.T, of string, want v1.Image) {
	t.Helper()
	got, err := crane.Pull(s.host + "/" + of)
	require.NoError(t, err)
	require.NoError(t, validate.Image(got))
	a, err := want.Digest()
	require.NoError(t, err)
	b, err := got.Digest()
	require.NoError(t, err)
	require.Equal(t, a, b)
}

func copied(t *testing.T, from, to *server, o Options) Result {
	t.Helper()
	o.Listed = 2
	r, err := Copy(t.Context(), from.at(t), to.at(t), o, func(Progress) {})
	require.NoError(t, err)
	require.LessOrEqual(t, max(len(r.Faults), len(r.Kept)), o.Listed)
	return r
}

// TestCopy copies what is not there, and writes nothing the second time.
func TestCopy(t *testing.T) {
	from, to := serve(t, open), serve(t, open)
	images := map[string]v1.Image{}
	for _, of := range []string{"a:1", "a:2", "team/app:1", "team/web/api:1"} {
		images[of] = from.push(t, of)
	}
	index, err := random.Index(1000, 2, 2)
	require.NoError(t, err)
	ref, err := name.NewTag(from.host + "/multi:1")
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(ref, index))

	dry := copied(t, from, to, Options{DryRun: true})
	require.Equal(t, 5, dry.Copied)
	require.Zero(t, to.writes.Load())

	some := copied(t, from, to, Options{Repositories: []string{"team"}})
	require.Equal(t, Result{Repositories: 2, Copied: 2, Kept: []Tag{}, Faults: []Fault{}}, some)
	all := copied(t, from, to, Options{})
	require.Equal(t, Result{Repositories: 4, Copied: 3, Same: 2, Kept: []Tag{}, Faults: []Fault{}}, all)
	for of, img := range images {
		to.requireImage(t, of, img)
	}
	ref, err = name.NewTag(to.host + "/multi:1")
	require.NoError(t, err)
	got, err := remote.Index(ref)
	require.NoError(t, err)
	require.NoError(t, validate.Index(got))

	before := to.writes.Load()
	require.Equal(t, 5, copied(t, from, to, Options{}).Same)
	require.Equal(t, before, to.writes.Load())
}

// TestCopyOfATagThatLeadsElsewhere leaves it, unless it is to be replaced.
func TestCopyOfATagThatLeadsElsewhere(t *testing.T) {
	from, to := serve(t, open), serve(t, open)
	theirs, ours := from.push(t, "a:1"), to.push(t, "a:1")
	r := copied(t, from, to, Options{})
	require.Equal(t, 1, r.KeptCount)
	require.Zero(t, r.Copied)
	require.Equal(t, "a:1", r.Kept[0].Name)
	to.requireImage(t, "a:1", ours)
	require.Equal(t, 1, copied(t, from, to, Options{Replace: true}).Copied)
	to.requireImage(t, "a:1", theirs)
}

// TestCopyOfWhatIsBroken names it, copies the rest, and goes on later.
func TestCopyOfWhatIsBroken(t *testing.T) {
	from, to := serve(t, open), serve(t, open)
	broken, good := from.push(t, "broken:1"), from.push(t, "good:1")
	layers, err := broken.Layers()
	require.NoError(t, err)
	layer, err := layers[1].Digest()
	require.NoError(t, err)
	from.refuse(layer.String())
	r := copied(t, from, to, Options{})
	require.Equal(t, 1, r.Copied)
	require.Equal(t, 1, r.FaultCount)
	require.Equal(t, "broken:1", r.Faults[0].Name)
	to.requireImage(t, "good:1", good)
	_, err = crane.Digest(to.host + "/broken:1")
	require.Error(t, err)
	from.refuse("/nothing")
	require.Equal(t, 1, copied(t, from, to, Options{}).Copied)
	to.requireImage(t, "broken:1", broken)
}

// TestCopyWithoutACatalog takes the repositories that are named.
func TestCopyWithoutACatalog(t *testing.T) {
	from, to := serve(t, open), serve(t, open)
	img := from.push(t, "a:1")
	from.push(t, "b:1")
	from.refuse("_catalog")
	_, err := Copy(t.Context(), from.at(t), to.at(t), Options{}, func(Progress) {})
	require.ErrorContains(t, err, "name those that are to be copied")
	r := copied(t, from, to, Options{Repositories: []string{"a", "not-there"}})
	require.Equal(t, 1, r.Copied)
	require.Equal(t, 1, r.FaultCount)
	require.Equal(t, "not-there", r.Faults[0].Name)
	to.requireImage(t, "a:1", img)
}

// TestCredentials are those of docker's configuration.
func TestCredentials(t *testing.T) {
	locked := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "who" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				http.Error(w, "{}", http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	from, to := serve(t, locked), serve(t, open)
	_, err := Copy(t.Context(), from.at(t), to.at(t), Options{}, func(Progress) {})
	require.ErrorContains(t, err, "401")
	auths := `{"auths":{"` + from.host + `":{"username":"who","password":"secret"}}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(auths), 0o600))
	img := from.push(t, "a:1")
	require.Equal(t, 1, copied(t, from, to, Options{}).Copied)
	to.requireImage(t, "a:1", img)
}

// TestAt takes addresses, and nothing that would be lost.
func TestAt(t *testing.T) {
	for _, address := range []string{"https://registry.example.com", "http://localhost:5000/", "https://[2001:db8::1]:443"} {
		_, err := At(address, nil)
		require.NoError(t, err, address)
	}
	for _, address := range []string{"", "registry.example.com", "ftp://a", "https://a/team", "https://who:secret@a", "https://"} {
		_, err := At(address, nil)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "secret")
	}
}
