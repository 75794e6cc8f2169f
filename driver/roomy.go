package driver

import (
	"context"
	"errors"
	"io"
	"net/http"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// roomy is a storage driver that turns errors that mean a lack of room into Refusals.
type roomy struct {
	storagedriver.StorageDriver
	name string // of this registry; "": it has none
}

func (d roomy) short(ctx context.Context, err error) error { return short(ctx, d.name, err) }

// GetContent implements storagedriver.StorageDriver.
func (d roomy) GetContent(ctx context.Context, path string) ([]byte, error) {
	b, err := d.StorageDriver.GetContent(ctx, path)
	return b, d.short(ctx, err)
}

// PutContent implements storagedriver.StorageDriver.
func (d roomy) PutContent(ctx context.Context, path string, content []byte) error {
	return d.short(ctx, d.StorageDriver.PutContent(ctx, path, content))
}

// Move implements storagedriver.StorageDriver.
func (d roomy) Move(ctx context.Context, source, dest string) error {
	return d.short(ctx, d.StorageDriver.Move(ctx, source, dest))
}

// Delete implements storagedriver.StorageDriver.
func (d roomy) Delete(ctx context.Context, path string) error {
	return d.short(ctx, d.StorageDriver.Delete(ctx, path))
}

// List implements storagedriver.StorageDriver.
func (d roomy) List(ctx context.Context, path string) ([]string, error) {
	list, err := d.StorageDriver.List(ctx, path)
	return list, d.short(ctx, err)
}

// Stat implements storagedriver.StorageDriver.
func (d roomy) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	info, err := d.StorageDriver.Stat(ctx, path)
	return info, d.short(ctx, err)
}

// Reader implements storagedriver.StorageDriver.
func (d roomy) Reader(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	r, err := d.StorageDriver.Reader(ctx, path, offset)
	return r, d.short(ctx, err)
}

// RedirectURL implements storagedriver.StorageDriver.
func (d roomy) RedirectURL(r *http.Request, path string) (string, error) {
	url, err := d.StorageDriver.RedirectURL(r, path)
	return url, d.short(r.Context(), err)
}

// Walk implements storagedriver.StorageDriver.
func (d roomy) Walk(ctx context.Context, path string, f storagedriver.WalkFn, options ...func(*storagedriver.WalkOptions)) error {
	return d.short(ctx, d.StorageDriver.Walk(ctx, path, f, options...))
}

// Writer implements storagedriver.StorageDriver.
func (d roomy) Writer(ctx context.Context, path string, appending bool) (storagedriver.FileWriter, error) {
	w, err := d.StorageDriver.Writer(ctx, path, appending)
	if err != nil {
		return nil, d.short(ctx, err)
	}
	return roomyWriter{w, ctx, d.name}, nil
}

// roomyWriter does the same for a writer, in the request that opened it.
type roomyWriter struct {
	storagedriver.FileWriter
	ctx  context.Context
	name string
}

// Write implements io.Writer.
func (w roomyWriter) Write(b []byte) (int, error) {
	n, err := w.FileWriter.Write(b)
	return n, short(w.ctx, w.name, err)
}

// Commit implements storagedriver.FileWriter.
func (w roomyWriter) Commit(ctx context.Context) error {
	return short(ctx, w.name, w.FileWriter.Commit(ctx))
}

// Close implements storagedriver.FileWriter.
func (w roomyWriter) Close() error {
	err := w.FileWriter.Close()
	if err == nil || errors.Is(err, blob.ErrUploadOver) { // distribution closes twice
		return err
	}
	return lost(w.ctx, w.name, err)
}
