package driver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// spanned are all spans of this process, and how a client's request begins one.
type spanned struct {
	*tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
}

func trackAll(t *testing.T) spanned {
	t.Helper()
	all := spanned{InMemoryExporter: tracetest.NewInMemoryExporter()}
	all.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(all))
	otel.SetTracerProvider(all.provider)
	t.Cleanup(func() {
		otel.SetTracerProvider(noop.NewTracerProvider())
		_ = all.provider.Shutdown(t.Context()) // distribution's driver keeps the first that is set
	})
	return all
}

// serve is served, whose requests begin a trace as distribution has them do.
func (of spanned) serve(t *testing.T, m *drivertest.Member) string {
	t.Helper()
	app := registryOn(t, m)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := of.provider.Tracer("test").Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		app.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func (of spanned) named(name string, kind trace.SpanKind) (found tracetest.SpanStubs) {
	for _, s := range of.GetSpans() {
		if s.Name == name && s.SpanKind == kind {
			found = append(found, s)
		}
	}
	return found
}

// path is the names of a span and of those above it, up to that of a client's request.
func (of spanned) path(s tracetest.SpanStub) string {
	names, all := []string{s.Name}, of.GetSpans()
	for s.Parent.IsValid() {
		i := slices.IndexFunc(all, func(p tracetest.SpanStub) bool { return p.SpanContext.Equal(s.Parent.WithRemote(false)) })
		if i < 0 {
			return strings.Join(append(names, "?"), " < ")
		}
		s = all[i]
		if !strings.HasPrefix(s.Name, "ipfs") && s.Name != http.MethodGet && s.Name != http.MethodPut {
			continue // distribution's own
		}
		names = append(names, s.Name)
	}
	return strings.Join(names, " < ")
}

func valueOf(s tracetest.SpanStub, key attribute.Key) attribute.Value {
	for _, kv := range s.Attributes {
		if kv.Key == key {
			return kv.Value
		}
	}
	return attribute.Value{}
}

// TestTraces is one test: the provider is that of the process.
func TestTraces(t *testing.T) {
	all := trackAll(t)
	t.Run("a pull is one trace", func(t *testing.T) { aPullIsOneTrace(t, all) })
	t.Run("so is a push that waits for another disk", func(t *testing.T) { aPushIsOneTrace(t, all) })
}

func aPullIsOneTrace(t *testing.T, all spanned) {
	members := drivertest.Cluster(t, 2)
	holder, puller := served(t, members[0]), all.serve(t, members[1])
	img, _ := image(t)
	if err := crane.Push(img, holder+"/a:1", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "the other one knows it", func() bool {
		_, err := crane.Digest(puller+"/a:1", crane.Insecure)
		return err == nil
	})
	all.Reset()
	resp, err := http.Get("http://" + puller + "/v2/a/blobs/" + d.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	_ = resp.Body.Close()
	drivertest.Await(t, "all spans have ended", func() bool {
		return len(all.named("ipfs serve", trace.SpanKindServer)) > 0 && len(all.named("GET", trace.SpanKindServer)) == 1 &&
			len(all.named("ipfs transfer", trace.SpanKindInternal)) == 1
	})
	var got int64
	for _, s := range all.named("ipfs fetch", trace.SpanKindClient) {
		got += valueOf(s, "registry.ipfs.bytes").AsInt64()
		if valueOf(s, "registry.ipfs.peer").AsString() != members[0].Status(t.Context()).PeerID || valueOf(s, "registry.ipfs.road").AsString() == "" ||
			valueOf(s, "registry.ipfs.first_byte_seconds").AsFloat64() <= 0 {
			t.Errorf("%v", s.Attributes)
		}
		if p := all.path(s); p != "ipfs fetch < ipfs transfer < GET" {
			t.Error(p)
		}
	}
	if got != n {
		t.Errorf("%d bytes were fetched, of %d", got, n)
	}
	for _, s := range all.named("ipfs serve", trace.SpanKindServer) {
		if p := all.path(s); !s.Parent.IsRemote() || !strings.HasSuffix(p, "ipfs transfer < GET") {
			t.Error(p)
		}
	}
}

func aPushIsOneTrace(t *testing.T, all spanned) {
	taking := all.serve(t, acknowledged(t, 2)[0])
	img, _ := image(t)
	if err := crane.Push(img, taking+"/a:1", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ipfs acknowledge < PUT",
		"ipfs keep < ipfs keep < ipfs acknowledge < PUT",
		"ipfs serve < ipfs fetch < ipfs transfer < ipfs keep < ipfs keep < PUT", // from the time before its entry was written
	} {
		drivertest.Await(t, want, func() bool {
			return slices.ContainsFunc(all.GetSpans(), func(s tracetest.SpanStub) bool { return all.path(s) == want })
		})
	}
}
