package wire

import (
	"net/http"

	"github.com/ipfs/go-cid"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
)

// follow begins a span in the trace of a request. Only a trusted member has this registry write
// spans, and only for what it gets: each member is asked by HEAD what it has.
func (s *Server) follow(r *http.Request, name string) (*http.Request, trace.Span) {
	ctx := spans.Extract(r.Context(), r.Header)
	if ctx == r.Context() || name == "" || r.Method == http.MethodHead || s.cfg.Trusts == nil || !s.cfg.Trusts(asking(r)) {
		return r, noop.Span{}
	}
	ctx, span := spans.Start(ctx, name, trace.SpanKindServer)
	return r.WithContext(ctx), span
}

// describe says what a span was of: an answer, or that there was to be none.
func describe(span trace.Span, r *http.Request, c cid.Cid, out *counted, err error) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(spans.CID.String(c.String()), spans.Peer.String(asking(r).String()), spans.Bytes.Int64(out.bytes()))
	if err != nil {
		span.SetAttributes(spans.Outcome.String(err.Error()))
	}
}
