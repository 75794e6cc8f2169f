package spans_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func recorded(t *testing.T) *tracetest.InMemoryExporter {
	t.Helper()
	all := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(all)))
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	return all
}

// TestATraceGoesOnElsewhere, and takes nothing else of the client's with it.
func TestATraceGoesOnElsewhere(t *testing.T) {
	all := recorded(t)
	state, err := trace.ParseTraceState("vendor=whatever")
	if err != nil {
		t.Fatal(err)
	}
	client := trace.SpanContextFromContext(spans.Extract(t.Context(), http.Header{"Traceparent": {parent}})).WithTraceState(state)
	ctx, asking := spans.Start(trace.ContextWithRemoteSpanContext(t.Context(), client), "ask", trace.SpanKindClient)
	h := http.Header{}
	spans.Inject(ctx, h)
	if len(h) != 1 || !strings.HasPrefix(h.Get("Traceparent"), parent[:36]) {
		t.Errorf("it sends %v", h)
	}
	_, answering := spans.Start(spans.Extract(t.Context(), h), "answer", trace.SpanKindServer)
	answering.End()
	asking.End()
	got := all.GetSpans()
	if len(got) != 2 || got[0].Parent.SpanID() != got[1].SpanContext.SpanID() || !got[0].Parent.IsRemote() || got[0].SpanContext.TraceID() != client.TraceID() {
		t.Errorf("%+v", got)
	}
}

// TestOtherHeadersAreIgnored: none is followed, or takes anything to be read.
func TestOtherHeadersAreIgnored(t *testing.T) {
	all := recorded(t)
	for name, sent := range map[string][]string{
		"none":               nil,
		"empty":              {""},
		"of no trace":        {"00-00000000000000000000000000000000-b7ad6b7169203331-01"},
		"of no span":         {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"},
		"not sampled":        {parent[:54] + "0"},
		"upper case":         {strings.ToUpper(parent)},
		"no digits":          {strings.Replace(parent, "0af7", "0ag7", 1)},
		"another version":    {"01" + parent[2:]},
		"version ff":         {"ff" + parent[2:]},
		"longer":             {parent + "-more"},
		"endless":            {parent + strings.Repeat("0", 1<<20)},
		"shorter":            {parent[:54]},
		"unknown flags":      {parent[:53] + "ff"},
		"twice":              {parent, parent},
		"dashes elsewhere":   {"00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01"},
		"bytes of no letter": {parent[:40] + "\x00\xff" + parent[42:]},
	} {
		_, span := spans.Start(spans.Extract(t.Context(), http.Header{"Traceparent": sent}), name, trace.SpanKindServer)
		span.End()
	}
	for _, span := range all.GetSpans() {
		t.Errorf("a header is followed: %s", span.Name)
	}
}

// TestNothingIsSpentWithoutATrace, neither where nothing is exported nor where nobody asked.
func TestNothingIsSpentWithoutATrace(t *testing.T) {
	h := http.Header{}
	allocs := testing.AllocsPerRun(100, func() { untraced(t.Context(), h) })
	if allocs > 0 || len(h) > 0 {
		t.Errorf("%v allocations, and the headers %v", allocs, h)
	}
	all := recorded(t)
	if untraced(t.Context(), h); len(all.GetSpans()) > 0 || len(h) > 0 {
		t.Errorf("what nobody asked for is traced: %v %v", all.GetSpans(), h)
	}
}

// untraced is what a leaf costs, besides the leaf.
func untraced(ctx context.Context, h http.Header) {
	ctx, span := spans.Start(spans.Below(ctx, spans.Of(ctx)), "ask", trace.SpanKindClient)
	spans.Inject(spans.Outside(ctx), h)
	_ = spans.Extract(ctx, h)
	spans.Link(ctx, span.SpanContext())
	spans.Fail(span, nil)
	span.End()
}

func BenchmarkWithoutATrace(b *testing.B) {
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		untraced(b.Context(), h)
	}
}
