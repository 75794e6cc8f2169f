package driver

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// request is what the driver can learn from its context about distribution's request.
// Outside a request all fields are empty.
type request struct {
	method   string
	manifest bool  // /v2/<name>/manifests/<reference>
	tag      bool  // that reference is a tag, in a PUT
	upload   bool  // /v2/<name>/blobs/uploads/<uuid>
	mount    bool  // POST of an upload that names a blob to mount
	blob     bool  // /v2/<name>/blobs/<digest>
	length   int64 // of an upload's body in bytes; -1: not known
}

// requestKey tells one request from the others.
type requestKey struct {
	id      string
	started time.Time
}

// requestOf reads the values that distribution puts into every request's context. It is
// called often, and a value is found only through many nested contexts, so it reads no more
// of them than the method needs.
func requestOf(ctx context.Context) request {
	var r request
	r.method, _ = ctx.Value("http.request.method").(string)
	if r.method == "" {
		return r
	}
	value := func(key string) string {
		v, _ := ctx.Value(key).(string)
		return v
	}
	if reference := value("vars.reference"); reference != "" {
		r.manifest = true
		r.tag = r.method == http.MethodPut && digest.Digest(reference).Validate() != nil
		return r
	}
	r.upload = value("vars.uuid") != ""
	r.blob = !r.upload && value("vars.digest") != ""
	r.mount = r.method == http.MethodPost && strings.Contains(value("http.request.uri"), "mount=")
	if r.upload {
		if req, ok := ctx.Value("http.request").(*http.Request); ok {
			r.length = req.ContentLength
		}
	}
	return r
}

// requestKeyOf is the key of ctx's request; empty outside a request.
func requestKeyOf(ctx context.Context) (key requestKey) {
	key.id, _ = ctx.Value("http.request.id").(string)
	key.started, _ = ctx.Value("http.request.startedat").(time.Time)
	return key
}

// asksOnMiss reports whether a miss at path asks the members: in requests of manifests and
// downloads of blobs, so that a client that was told of a push elsewhere finds it here. The
// probes that miss in every push do not ask. A blob's bytes are not asked for in a push:
// their entry comes before the blob's link.
func (r request) asksOnMiss(path string) bool {
	switch {
	case r.manifest && (r.method == http.MethodGet || r.method == http.MethodHead):
		return true
	case r.manifest && r.method == http.MethodPut:
		kind := ocipath.Parse(path).Kind
		return kind == ocipath.Layer || kind == ocipath.Revision
	}
	return r.blob && r.method == http.MethodGet
}

// goesOn reports whether the request, once it has written path, writes another entry before
// it is answered: after a blob's bytes comes its link, after a manifest's bytes its revision,
// and at the end of the push of a tag the tag's current link.
func (r request) goesOn(path string) bool {
	switch {
	case r.bringsBytes():
		return isBlobData(path)
	case r.manifest && r.method == http.MethodPut:
		return isBlobData(path) || r.tag && ocipath.Parse(path).Kind != ocipath.TagCurrent
	}
	return false
}

// deletes reports whether a client deletes a manifest, a tag or a blob.
func (r request) deletes() bool { return r.method == http.MethodDelete && (r.manifest || r.blob) }

// firstByte reads the first offset of a Range header that lies in the blob, as net/http does; where
// none does, the last one, and 0 where there is none that can be read.
func firstByte(header string, size int64) (beyond int64) {
	specs, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return 0
	}
	for spec := range strings.SplitSeq(specs, ",") {
		first, last, _ := strings.Cut(spec, "-")
		if first, last = strings.TrimSpace(first), strings.TrimSpace(last); first == "" { // the last n bytes
			if n, err := strconv.ParseInt(last, 10, 64); err == nil && n >= 0 {
				return max(0, size-n)
			}
			continue
		}
		if n, err := strconv.ParseInt(first, 10, 64); err == nil && n < size {
			return n
		} else if err == nil {
			beyond = n
		}
	}
	return beyond
}
