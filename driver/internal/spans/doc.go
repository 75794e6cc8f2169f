// Package spans writes what a request waits for as OpenTelemetry spans, and has the members that it
// asks go on with its trace.
//
//	ctx, span := spans.Start(ctx, "ipfs fetch", trace.SpanKindClient)
//	defer span.End()
//	if span.IsRecording() {
//		span.SetAttributes(spans.Peer.String(id.String()))
//	}
//	spans.Inject(ctx, request.Header)                 // and at the other end:
//	ctx = spans.Extract(request.Context(), request.Header)
//
// Spans go to the global provider of OpenTelemetry, as distribution's do. None begins a trace: a
// trace begins with a client's request, which distribution traces, and what nobody asked for is in
// none. So where nothing is exported, all of this does nothing, and allocates nothing.
//
// Between members goes a traceparent header (https://www.w3.org/TR/trace-context/) of version 0, and
// neither tracestate nor baggage, which clients may have filled. Who reads it decides first whose it
// reads: it makes this registry write spans, and puts them into a trace that somebody else has named.
package spans
