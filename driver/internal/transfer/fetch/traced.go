package fetch

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// maxOrderSpans is how many orders of a transfer have spans: a large blob takes thousands.
const maxOrderSpans = 100

// Within is the span of whoever began the job; invalid: the job is in no trace.
func (j *Job) Within() trace.SpanContext { return j.why.Within }

// Span is that of the job itself; invalid: the job is in no trace.
func (j *Job) Span() trace.SpanContext { return j.span.SpanContext() }

// tellSpan ends the span of a transfer.
func (j *Job) tellSpan(e End, orders int, err error) {
	defer j.span.End()
	if !j.span.IsRecording() {
		return
	}
	j.span.SetAttributes(spans.CID.String(j.ref.CID.String()), spans.Size.Int64(j.ref.Size), spans.Bytes.Int64(e.Received),
		spans.Fetches.Int(orders))
	if e.Story.First > 0 {
		j.span.SetAttributes(spans.FirstByte.Float64(e.Story.First.Seconds()))
	}
	spans.Fail(j.span, err)
}

// orderSpan begins the span of an order. The requests of later ones are in no trace.
func (c *coordinator) orderSpan() (context.Context, trace.Span) {
	c.ordered++
	if c.ordered > maxOrderSpans {
		return spans.Outside(c.j.ctx), noop.Span{}
	}
	return spans.Start(c.j.ctx, "ipfs fetch", trace.SpanKindClient)
}

// tellOrderSpan ends the span of an order. That somebody else was faster, or has it earlier, is no
// failure.
func (j *Job) tellOrderSpan(span trace.Span, o *order, err error) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(spans.Peer.String(o.holder.String()), spans.Bytes.Int64(o.flow.got.Load()), spans.From.Int(o.from))
	if road := roads[wire.Road(o.flow.road.Load())]; road != "" {
		span.SetAttributes(spans.Road.String(string(road)))
	}
	if first := o.flow.first.Load(); first > 0 {
		span.SetAttributes(spans.FirstByte.Float64(time.Duration(first).Seconds()))
	}
	relayed := new(wire.RelayedError)
	switch {
	case err == nil:
	case j.ctx.Err() != nil:
		span.SetAttributes(spans.Outcome.String("not needed any more"))
	case errors.Is(err, errOvertaken), errors.As(err, &relayed), errors.Is(err, wire.ErrNotYet):
		span.SetAttributes(spans.Outcome.String(err.Error()))
	default:
		spans.Fail(span, err)
	}
}
