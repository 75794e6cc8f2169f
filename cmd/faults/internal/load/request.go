package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

// ops are what one request does: to a tag, and to the manifest behind it.
type ops []*book.Op

func (all ops) sent(run int) {
	for _, o := range all {
		o.Sent(run)
	}
}

// ended notes how it ended, and says so.
func (all ops) ended(err error) (acknowledged bool, so string) {
	var refused *transport.Error
	for _, o := range all {
		switch {
		case err == nil:
			acknowledged = o.Acknowledged()
		case errors.As(err, &refused) && refused.StatusCode >= 400 && refused.StatusCode < 500:
			o.Refused()
		default:
			o.Failed()
		}
	}
	switch {
	case acknowledged:
		return true, "acknowledged"
	case err == nil:
		return false, "it was there"
	}
	return false, strings.ReplaceAll(err.Error(), "\n", " ")
}

// watch tells when the one request is sent that counts: the PUT or DELETE of this manifest.
type watch struct {
	base   http.RoundTripper
	method string
	ref    string
	sent   func()
}

// RoundTrip implements http.RoundTripper.
func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == w.method && strings.HasSuffix(r.URL.Path, "/manifests/"+w.ref) {
		w.sent()
	}
	return w.base.RoundTrip(r)
}

func (w *worker) options(ctx context.Context, m *swarm.Member, method, ref string, all ops) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithJobs(2),
		remote.WithTransport(&watch{base: m.Client.Transport, method: method, ref: ref, sent: func() { all.sent(m.Run()) }}),
	}
}

func reference(m *swarm.Member, repo, ref string) (name.Reference, error) {
	sep := ":"
	if strings.Contains(ref, ":") {
		sep = "@"
	}
	return name.ParseReference(m.HTTP+"/"+repo+sep+ref, name.Insecure)
}

// write pushes an image or an index with all that the registry lacks of it, and a tag.
func (w *worker) write(ctx context.Context, m *swarm.Member, i *Image, tag string) error {
	b, at := w.load.book, Seat(m)
	w.load.enter(i)
	byTag, byDigest := book.Name{Repo: i.Repo, Ref: tag}, book.Name{Repo: i.Repo, Ref: i.Digest}
	all := ops{b.Push(byTag, i.Digest, at), b.Push(byDigest, i.Digest, at)}
	ref, err := reference(m, i.Repo, tag)
	if err != nil {
		return err
	}
	w.load.journal.Note("push", "client %d: %s = %s at %s …", w.id, byTag, i.Digest, at)
	options := w.options(ctx, m, http.MethodPut, tag, all)
	if i.idx != nil {
		err = remote.WriteIndex(ref, i.idx, options...)
	} else {
		err = remote.Write(ref, i.img, options...)
	}
	acknowledged, so := all.ended(err)
	w.load.journal.Note("push", "client %d: %s = %s at %s: %s", w.id, byTag, i.Digest, at, so)
	if acknowledged {
		w.load.Pushed.Add(1)
		w.load.remember(byTag)
	}
	return err
}

// delete removes a manifest by its digest, with its one tag, or a tag.
func (w *worker) delete(ctx context.Context, m *swarm.Member, i *Image, what, tag string) error {
	b, at := w.load.book, Seat(m)
	all := ops{b.Delete(book.Name{Repo: i.Repo, Ref: tag}, at)}
	if what != tag {
		all = append(all, b.Delete(book.Name{Repo: i.Repo, Ref: what}, at))
	}
	ref, err := reference(m, i.Repo, what)
	if err != nil {
		return err
	}
	w.load.journal.Note("delete", "client %d: %s (%s) at %s …", w.id, ref, tag, at)
	err = remote.Delete(ref, w.options(ctx, m, http.MethodDelete, what, all)...)
	acknowledged, so := all.ended(err)
	w.load.journal.Note("delete", "client %d: %s (%s) at %s: %s", w.id, ref, tag, at, so)
	if acknowledged {
		w.load.Deleted.Add(1)
	}
	return err
}

// pull reads a tag at one registry, and the blobs of what it leads to.
func (w *worker) pull(ctx context.Context, m *swarm.Member) error {
	n, ok := w.load.someName(w.random)
	if !ok {
		return nil
	}
	digest, err := w.load.Look(ctx, m, n)
	i := w.load.Image(n.Repo, digest)
	if err != nil || digest == "" || i == nil {
		return err
	}
	w.load.Pulled.Add(1)
	at := Seat(m)
	for _, part := range i.Parts[1:] {
		found, err := w.load.ReadBlob(ctx, m, i.Repo, part)
		if err != nil {
			return err
		}
		if !found && at == Seat(m) && !w.load.book.May(book.Name{Repo: i.Repo, Ref: digest}).Nothing {
			w.load.lie(fmt.Errorf("%s has the manifest %s@%s, and answers that there is no blob %s", at, i.Repo, digest, part))
		}
	}
	return nil
}

// Look asks a registry for a name and checks the answer. The digest is that of the bytes that
// came, "" when there is none. An error is no answer, which is allowed while something is wrong.
func (l *Load) Look(ctx context.Context, m *swarm.Member, n book.Name) (digest string, err error) {
	q := l.book.Ask(n, Seat(m))
	status, digest, err := get(ctx, m, fmt.Sprintf("/v2/%s/manifests/%s", n.Repo, n.Ref))
	switch {
	case err != nil:
		return "", err
	case status == http.StatusNotFound:
		digest = ""
	case status != http.StatusOK:
		return "", fmt.Errorf("GET %s at %s: status %d", n, m.Name, status)
	}
	if err := q.Answered(digest, Seat(m)); err != nil {
		l.lie(err)
	}
	return digest, nil
}

// ReadBlob reads a blob at a registry, and reports whether it is there. Other bytes than its
// own are a wrong answer.
func (l *Load) ReadBlob(ctx context.Context, m *swarm.Member, repo, want string) (found bool, err error) {
	status, digest, err := get(ctx, m, fmt.Sprintf("/v2/%s/blobs/%s", repo, want))
	switch {
	case err != nil:
		return false, err
	case status == http.StatusNotFound:
		return false, nil
	case status != http.StatusOK:
		return false, fmt.Errorf("GET of blob %s at %s: status %d", want, m.Name, status)
	case digest != want:
		l.lie(fmt.Errorf("%s answers with %s for the blob %s", m.Name, digest, want))
	}
	return true, nil
}

// get reads an answer to its end; its digest is that of the bytes.
func get(ctx context.Context, m *swarm.Member, path string) (status int, digest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return m.Get(ctx, path)
}
