package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// Shop is the server of the rival http, with files of one size.
type Shop struct {
	*side
	address string
	size    int64
	dir     string // of the files that are served, and those that were fetched
	Files   []string
}

// StartShop makes so many files of a size, and serves them.
func StartShop(dir string, at *lab.Space, files int, size int64) (*Shop, error) {
	s := &Shop{dir: filepath.Join(dir, "shop"), size: size}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	for i := range files {
		data, err := io.ReadAll(NewSeed(size).Reader())
		if err != nil {
			return nil, err
		}
		s.Files = append(s.Files, filepath.Join(s.dir, fmt.Sprint(i)))
		if err := os.WriteFile(s.Files[i], data, 0o600); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.side, s.address, err = startSide(at, "address", "serve", "http", "-listen", at.Addr()+":"+port)
	return s, err
}

// Get fetches files, so many at once, writes them, and returns how long that took.
func (s *Shop) Get(ctx context.Context, client *http.Client, files []string, atOnce int) (time.Duration, error) {
	out := filepath.Join(s.dir, "out")
	if err := errors.Join(os.RemoveAll(out), os.Mkdir(out, 0o700)); err != nil {
		return 0, err
	}
	began := time.Now()
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, file := range files {
		all.Go(func() error { return s.getOne(ctx, client, file, filepath.Join(out, filepath.Base(file))) })
	}
	err := all.Wait()
	return time.Since(began), err
}

func (s *Shop) getOne(ctx context.Context, client *http.Client, file, to string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.address+"/?file="+url.QueryEscape(file), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, resp.Body)
	if err == nil && (n != s.size || resp.StatusCode != http.StatusOK) {
		err = fmt.Errorf("get %s: %s, %d bytes", file, resp.Status, n)
	}
	return err
}
