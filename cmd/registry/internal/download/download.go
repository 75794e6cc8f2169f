// Package download makes distribution send the bytes of blobs as the driver gives them.
// distribution's own way copies them through a buffer of 4 MiB, which it makes anew for each
// answer: for a layer of 1 MiB that costs about as much as to send it.
//
//	download.Install(config, driver) // before the registry is made
//
// Limits: it carries the bytes of one range and nothing else: authorization, headers, which
// range, and events stay distribution's. Its middleware cannot be configured by hand.
package download

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/configuration"
	middleware "github.com/distribution/distribution/v3/registry/middleware/repository"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Name is the middleware's name under `middleware: repository:`.
const Name = "ipfs-download"

// option is the middleware's option that carries the downloads.
const option = "downloads"

// bufferSize is how many bytes go to a client at once.
const bufferSize = 128 << 10

func init() {
	if err := middleware.Register(Name, wrap); err != nil {
		panic(err) // another package of this binary has the name
	}
}

// Install makes a registry send blobs as its driver gives them, unless a storage middleware
// stands between the two.
func Install(config *configuration.Configuration, d *driver.Driver) {
	if len(config.Middleware["storage"]) > 0 {
		return
	}
	all := &downloads{driver: d, buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }}}
	if config.Middleware == nil {
		config.Middleware = map[string][]configuration.Middleware{}
	}
	config.Middleware["repository"] = append(config.Middleware["repository"],
		configuration.Middleware{Name: Name, Options: configuration.Parameters{option: all}})
}

func wrap(_ context.Context, next distribution.Repository, options map[string]any) (distribution.Repository, error) {
	all, ok := options[option].(*downloads)
	if !ok {
		return nil, fmt.Errorf("%s cannot be configured: this registry sets it itself", Name)
	}
	return repository{next, all}, nil
}

// downloads is what the answers of a registry share.
type downloads struct {
	driver  *driver.Driver
	buffers sync.Pool // of *[bufferSize]byte
}

type repository struct {
	distribution.Repository
	all *downloads
}

// Blobs implements distribution.Repository.
func (r repository) Blobs(ctx context.Context) distribution.BlobStore {
	return store{r.Repository.Blobs(ctx), r.all}
}

type store struct {
	distribution.BlobStore
	all *downloads
}

// ServeBlob implements distribution.BlobServer.
func (s store) ServeBlob(ctx context.Context, w http.ResponseWriter, r *http.Request, d digest.Digest) error {
	return s.BlobStore.ServeBlob(ctx, &answer{w, ctx, s.all}, r, d)
}

// answer is the answer to one request for a blob.
type answer struct {
	http.ResponseWriter
	ctx context.Context // with which the driver is asked
	all *downloads
}

// Unwrap gives what is below to http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// ReadFrom implements io.ReaderFrom. http.ServeContent calls it with the range that it has
// chosen: with distribution's reader of the blob, which has not read anything yet, and how
// much is to come of it.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	buf := a.all.buffers.Get().(*[bufferSize]byte)
	defer a.all.buffers.Put(buf)
	body, err := a.body(src)
	if err != nil {
		return 0, err
	}
	defer func() { _ = body.Close() }()
	return io.CopyBuffer(plain{a.ResponseWriter}, body, buf[:])
}

// plain hides io.ReaderFrom, which would take a buffer of its own.
type plain struct{ io.Writer }

// body is the bytes that src would give: from the driver, if they are a range of a blob.
func (a *answer) body(src io.Reader) (io.ReadCloser, error) {
	whole := io.NopCloser(src)
	part, ok := src.(*io.LimitedReader)
	if !ok {
		return whole, nil
	}
	blob, seeks := part.R.(io.Seeker)
	d, stored := a.stored()
	if !seeks || !stored {
		return whole, nil
	}
	from, err := blob.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	file, err := a.all.driver.Download(a.ctx, d, from)
	if err != nil {
		return nil, err
	}
	return body{io.LimitReader(file, part.N), file}, nil
}

// stored is the digest of the blob that distribution sends from the storage, under whatever
// digest it was asked for; false when the bytes come from elsewhere. A pull-through cache that
// passes on what the other registry sends, while another request stores it, gives no ETag as
// HTTP has it: not in quotation marks.
func (a *answer) stored() (digest.Digest, bool) {
	tag := a.Header().Get("ETag")
	d := digest.Digest(strings.Trim(tag, `"`))
	return d, d.Validate() == nil && tag == `"`+d.String()+`"`
}

type body struct {
	io.Reader
	io.Closer
}
