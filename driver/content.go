package driver

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// maxLinkContent is how many bytes a link can have, which holds a digest: some hundred. Another
// registry may have written the entry, and said any size in it.
const maxLinkContent = 4 << 10

// GetContent implements storagedriver.StorageDriver. What is larger than distribution reads whole
// is an error: a link of more than 4 KiB, and anything else that distribution keeps of more than
// 4 MiB, as much as a manifest can have. Reader gives such bytes.
func (s *store) GetContent(ctx context.Context, path string) ([]byte, error) {
	if isLocal(path) {
		return s.local.GetContent(ctx, path)
	}
	e, err := s.lookup(ctx, path)
	if err != nil {
		return nil, err
	}
	most := mostContent(path)
	if e.Size > most {
		return nil, s.tooLarge(path, e, most)
	}
	r, err := s.open(ctx, path, e, 0)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(content)) > most {
		err = s.tooLarge(path, e, most)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	s.rely(ctx, path, e)
	return content, nil
}

func mostContent(path string) int64 {
	switch p := ocipath.Parse(path); {
	case p.IsLink():
		return maxLinkContent
	case p == ocipath.Path{}: // where distribution keeps nothing, so that no client has it read
		return dag.MaxSize
	}
	return smallBlob
}

// tooLarge says who wrote what distribution would never write.
func (s *store) tooLarge(path string, e pathmap.Entry, most int64) error {
	return fmt.Errorf("read %s whole: it has %d bytes, and at most %d are read; it was written by %s: delete it, and take that peer out of trustedpeers if it was not you",
		path, e.Size, most, s.paths.View().Writer(path))
}
