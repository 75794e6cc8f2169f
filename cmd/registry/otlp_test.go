package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanSent is a span that a registry sent to the collector.
type spanSent struct {
	service, name     string
	trace, id, parent string // bytes
}

// spanCollector takes spans as OpenTelemetry's collectors do: OTLP over HTTP.
type spanCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []spanSent
	wrong []error
}

func collectSpans(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		var sent collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		c.take(&sent, err)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *spanCollector) take(sent *collector.ExportTraceServiceRequest, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
	for _, of := range sent.GetResourceSpans() {
		service := ""
		for _, kv := range of.GetResource().GetAttributes() {
			if kv.GetKey() == "service.name" {
				service = kv.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanSent{service, s.GetName(), string(s.GetTraceId()), string(s.GetSpanId()), string(s.GetParentSpanId())})
			}
		}
	}
}

// named are the spans of a registry that are called so.
func (c *spanCollector) named(service, name string) (found []spanSent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.service == service && s.name == name {
			found = append(found, s)
		}
	}
	return found
}

// begins is the span at the top of the trace in which another is.
func (c *spanCollector) begins(s spanSent) spanSent {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s.parent != "" {
		i := slices.IndexFunc(c.spans, func(p spanSent) bool { return p.id == s.parent && p.trace == s.trace })
		if i < 0 {
			return spanSent{}
		}
		s = c.spans[i]
	}
	return s
}

// sends has a registry send its spans there, as docs/operations.md says.
func (c *spanCollector) sends(p *process, service string) {
	p.Env = append(p.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_SERVICE_NAME="+service, "OTEL_BSP_SCHEDULE_DELAY=100")
}

// TestAPullThroughTwoRegistriesIsOneTrace, as a collector sees it: what the one sends is below what the
// other fetches, and that below the client's request.
func TestAPullThroughTwoRegistriesIsOneTrace(t *testing.T) {
	all := collectSpans(t)
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap())
	all.sends(a, "attic")
	all.sends(b, "barn")
	a.start()
	b.start()
	awaitAllConnected(t, []*process{a, b})
	img := push(t, a, "team/app:1")
	pull(t, b, "team/app:1", img)
	await(t, "what attic sent is below what barn fetched", func() bool {
		fetched := all.named("barn", "ipfs fetch")
		return slices.ContainsFunc(all.named("attic", "ipfs serve"), func(s spanSent) bool {
			return slices.ContainsFunc(fetched, func(f spanSent) bool { return f.trace == s.trace && f.id == s.parent })
		})
	})
	await(t, "that is below a client's request of barn", func() bool {
		return slices.ContainsFunc(all.named("attic", "ipfs serve"), func(s spanSent) bool {
			top := all.begins(s)
			return top.service == "barn" && top.name != "" && top.name != "ipfs fetch"
		})
	})
	for _, err := range all.wrong {
		t.Error(err)
	}
}
