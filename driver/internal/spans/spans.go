package spans

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// scope is who writes the spans.
const scope = "github.com/distribution-ipfs/distribution-ipfs/driver"

const (
	header       = "Traceparent"
	headerLength = 55 // 00-<32 digits>-<16 digits>-<2 digits>
)

// Start begins a span below that of ctx, or of the member that asked; it has to be ended. Without
// either the span records nothing.
func Start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, noop.Span{}
	}
	// The provider is asked each time: it is set when the registry starts, and after that not changed.
	return otel.GetTracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
}

// Of is the span of ctx, for work that outlives ctx; invalid: nothing is recorded.
func Of(ctx context.Context) trace.SpanContext {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return trace.SpanContext{}
	}
	return span.SpanContext()
}

// Below is ctx for work below a span that Of returned.
func Below(ctx context.Context, of trace.SpanContext) context.Context {
	if !of.IsValid() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, of)
}

// Outside is ctx for work that is in no trace.
func Outside(ctx context.Context) context.Context {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return trace.ContextWithSpan(ctx, nil)
}

// Link notes on the span of ctx that it waits for the work of another span.
func Link(ctx context.Context, to trace.SpanContext) {
	if to.IsValid() {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: to})
	}
}

// Fail notes that the work of a span failed; nil: it did not.
func Fail(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, err.Error())
	}
}

// Inject has whoever gets a request go on with the trace of ctx.
func Inject(ctx context.Context, h http.Header) {
	of := Of(ctx)
	if !of.IsSampled() {
		return
	}
	// Of a client's request the state may be anything.
	ctx = trace.ContextWithSpanContext(ctx, of.WithTraceState(trace.TraceState{}))
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
}

// Extract is ctx with the span of whoever sent a request. A header that is not as Inject writes it
// counts for nothing.
func Extract(ctx context.Context, h http.Header) context.Context {
	sent := h[header]
	if len(sent) != 1 || len(sent[0]) != headerLength || sent[0][:3] != "00-" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": sent[0]})
}
