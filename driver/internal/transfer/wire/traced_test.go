package wire

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// TestOnlyTrustedMembersAreTraced, and only what they get: a question is none.
func TestOnlyTrustedMembersAreTraced(t *testing.T) {
	all := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(all))
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	answers := blobs(func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
		return body{bytes.NewReader(make([]byte, 1000))}, nil
	})
	for trusted, traced := range map[bool]int{true: 1, false: 0} {
		s := serve(t, answers, func(cfg *ServerConfig) { cfg.Trusts = func(id peer.ID) bool { return trusted && id == self } })
		ctx, asking := provider.Tracer("test").Start(t.Context(), "ask")
		_, _, err := s.client.Holds(ctx, member, dag.Ref{CID: cidOf(t, "a"), Size: 1000}, false)
		require.NoError(t, err)
		for _, ctx := range []context.Context{ctx, t.Context()} { // as a member of an earlier release asks, too
			got, err := s.client.Span(ctx, member, cidOf(t, "a"), 0, 100, Terms{})
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, got)
			require.NoError(t, err)
			require.EqualValues(t, 100, n)
			require.NoError(t, got.Close())
		}
		require.NoError(t, s.Close()) // waits for what is answered
		found := all.GetSpans()
		require.Len(t, found, traced)
		for _, span := range found {
			require.Equal(t, "ipfs serve", span.Name)
			require.Equal(t, trace.SpanKindServer, span.SpanKind)
			require.Equal(t, asking.SpanContext().SpanID(), span.Parent.SpanID())
			require.Equal(t, asking.SpanContext().TraceID(), span.SpanContext.TraceID())
		}
		all.Reset()
	}
}
