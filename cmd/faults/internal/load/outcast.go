package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
)

const guestRepo = "team/guest"

// PushGuest has a client of its own push a new image at a registry, as others do. One call of this, Stray or Late
// at a time.
func (l *Load) PushGuest(ctx context.Context, m *swarm.Member) (*Image, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w := l.guest
	tag := l.next("guest")
	i, err := image(guestRepo, tag, layer(w.random, size(w.random)), layer(w.random, size(w.random)))
	if err != nil {
		return nil, err
	}
	return i, w.write(ctx, m, i, tag)
}

// Stray pushes a new image at a registry that is being shut out: it may have come in, whatever the answer.
func (l *Load) Stray(ctx context.Context, m *swarm.Member) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w, b, at := l.guest, l.book, Seat(m)
	tag := l.next("stray")
	i, err := image(guestRepo, tag, layer(w.random, size(w.random)))
	if err != nil {
		return err
	}
	l.enter(i)
	all := ops{b.Push(book.Name{Repo: i.Repo, Ref: tag}, i.Digest, at), b.Push(book.Name{Repo: i.Repo, Ref: i.Digest}, i.Digest, at)}
	ref, err := reference(m, i.Repo, tag)
	if err != nil {
		return err
	}
	err = remote.Write(ref, i.img, w.options(ctx, m, http.MethodPut, tag, all)...)
	for _, o := range all {
		o.Failed()
	}
	l.journal.Note("stray", "%s:%s = %s at %s: %v", i.Repo, tag, i.Digest, at, err)
	return err
}

// Late pushes a new image at a registry that was shut out, gives it a tag that all clients push, and deletes the
// image behind another name. Nothing of that may be seen at any other registry. It returns the image and its own tag when
// the registry took it.
func (l *Load) Late(ctx context.Context, m *swarm.Member) (i *Image, tag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w := l.guest
	tag = l.next("late")
	if i, err = image(fmt.Sprintf("team/app%d", w.random.IntN(repositories)), tag, layer(w.random, size(w.random))); err != nil {
		return nil, "", err
	}
	ref, err := reference(m, i.Repo, tag)
	if err == nil {
		err = remote.Write(ref, i.img, w.options(ctx, m, http.MethodPut, tag, nil)...)
	}
	l.journal.Note("late", "%s:%s = %s at %s: %v", i.Repo, tag, i.Digest, Seat(m), err)
	if err != nil {
		return nil, "", err
	}
	moved := w.movingTag()
	err = w.move(ctx, m, i, moved)
	l.journal.Note("late", "%s:%s = %s at %s: %v", i.Repo, moved, i.Digest, Seat(m), err)
	if n, ok := l.someName(w.random); ok {
		ref, err := reference(m, n.Repo, n.Ref)
		if err == nil {
			err = remote.Delete(ref, w.options(ctx, m, http.MethodDelete, n.Ref, nil)...)
		}
		l.journal.Note("late", "delete %s at %s: %v", n, Seat(m), err)
	}
	return i, tag, nil
}

// move gives an image another tag, without a look at what that is now: a registry that is alone may lack its bytes.
func (w *worker) move(ctx context.Context, m *swarm.Member, i *Image, tag string) error {
	raw, err := i.img.RawManifest()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+m.HTTP+"/v2/"+i.Repo+"/manifests/"+tag, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", string(types.OCIManifestSchema1))
	resp, err := m.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// Status is what a registry answers for a manifest, whatever it is.
func (l *Load) Status(ctx context.Context, m *swarm.Member, repo, ref string) (int, error) {
	status, _, err := get(ctx, m, fmt.Sprintf("/v2/%s/manifests/%s", repo, ref))
	return status, err
}
