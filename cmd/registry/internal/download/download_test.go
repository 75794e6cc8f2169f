package download_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/download"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// served is the address of a registry on a driver.
func served(t *testing.T, d *driver.Driver, change ...func(*configuration.Configuration, *driver.Driver)) string {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{
		driver.Name:   {driver.OpenedKey: d},
		"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
	}}
	config.HTTP.Secret = "of this test"
	for _, f := range change {
		f(config, d)
	}
	logrus.SetLevel(logrus.PanicLevel) // distribution logs each request
	server := httptest.NewServer(handlers.NewApp(t.Context(), config))
	t.Cleanup(server.Close)
	return server.URL
}

func opened(t *testing.T) *driver.Driver {
	t.Helper()
	return drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t))).Driver
}

func do(t *testing.T, method, address string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, got
}

// push uploads a blob, and gives its path.
func push(t *testing.T, address string, content []byte) string {
	t.Helper()
	resp, _ := do(t, http.MethodPost, address+"/v2/a/blobs/uploads/", nil)
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	to, err := url.Parse(resp.Header.Get("Location"))
	require.NoError(t, err)
	d := digest.FromBytes(content)
	q := to.Query()
	q.Set("digest", d.String())
	to.RawQuery = q.Encode()
	resp, _ = do(t, http.MethodPut, to.String(), content)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	return "/v2/a/blobs/" + d.String()
}

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// TestAnswersAreThoseOfDistribution, byte for byte and header for header.
func TestAnswersAreThoseOfDistribution(t *testing.T) {
	d := opened(t)
	theirs, ours := served(t, d), served(t, d, download.Install)
	content := random(3<<20 + 5)
	blob := push(t, ours, content)
	for _, header := range [][]string{
		nil, {"Range", "bytes=0-0"}, {"Range", "bytes=5-"}, {"Range", "bytes=-7"}, {"Range", "bytes=1048570-2097160"},
		{"Range", "bytes=0-1,1048575-1048577"}, {"Range", "bytes=9999999-"},
		{"Range", "bytes=-0"}, {"Range", "bytes=-9999999"}, {"Range", "bytes=7-5"}, {"Range", "items=0-1"}, {"Range", "bytes=0-9999999"},
		{"Range", "bytes=5-9", "If-Range", `"` + digest.FromBytes(content).String() + `"`}, {"Range", "bytes=5-9", "If-Range", `"x"`},
		{"If-None-Match", `"` + digest.FromBytes(content).String() + `"`},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			want, wantBody := do(t, method, theirs+blob, nil, header...)
			got, gotBody := do(t, method, ours+blob, nil, header...)
			require.Equal(t, want.StatusCode, got.StatusCode, header)
			if _, boundary, ok := strings.Cut(want.Header.Get("Content-Type"), "boundary="); ok {
				_, ourBoundary, _ := strings.Cut(got.Header.Get("Content-Type"), "boundary=")
				gotBody = bytes.ReplaceAll(gotBody, []byte(ourBoundary), []byte(boundary))
				got.Header.Set("Content-Type", want.Header.Get("Content-Type"))
			}
			want.Header.Del("Date")
			got.Header.Del("Date")
			require.Equal(t, want.Header, got.Header, header)
			require.True(t, bytes.Equal(wantBody, gotBody), header)
		}
	}
	resp, _ := do(t, http.MethodGet, ours+"/v2/a/blobs/"+digest.FromString("nothing").String(), nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// TestNoBufferIsMadeForAnAnswer: distribution's would be of 4 MiB.
func TestNoBufferIsMadeForAnAnswer(t *testing.T) {
	address := served(t, opened(t), download.Install)
	blob := push(t, address, random(1000))
	do(t, http.MethodGet, address+blob, nil) // the buffer that is shared
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 16 {
		do(t, http.MethodGet, address+blob, nil)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

// TestAStorageMiddlewareIsNotPassedBy: it may change what is read.
func TestAStorageMiddlewareIsNotPassedBy(t *testing.T) {
	config := &configuration.Configuration{Middleware: map[string][]configuration.Middleware{"storage": {{Name: "cloudfront"}}}}
	download.Install(config, nil)
	require.NotContains(t, config.Middleware, "repository")
}

// TestItCannotBeConfiguredByHand, as it needs the driver.
func TestItCannotBeConfiguredByHand(t *testing.T) {
	d := opened(t)
	address := served(t, d, func(c *configuration.Configuration, _ *driver.Driver) {
		c.Middleware = map[string][]configuration.Middleware{"repository": {{Name: download.Name}}}
	})
	resp, _ := do(t, http.MethodGet, address+"/v2/a/blobs/"+digest.FromString("x").String(), nil)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
}

// TestAPullThroughCachePassesOnWhatIsNotHereYet: while one client's request brings a blob from
// the registry that is cached, distribution answers others from there, not from the driver.
func TestAPullThroughCachePassesOnWhatIsNotHereYet(t *testing.T) {
	cached := served(t, opened(t))
	content := random(3<<20 + 5)
	blob := push(t, cached, content)
	hold := make(chan struct{})
	defer close(hold) // before the servers wait for it
	held := make(chan struct{}, 1)
	to, err := url.Parse(cached)
	require.NoError(t, err)
	pass := httputil.NewSingleHostReverseProxy(to)
	var gets atomic.Int32
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == blob && gets.Add(1) == 1 {
			held <- struct{}{}
			<-hold
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(between.Close)
	ours := served(t, opened(t), func(c *configuration.Configuration, d *driver.Driver) {
		forever := time.Duration(0)
		c.Proxy = configuration.Proxy{RemoteURL: between.URL, TTL: &forever}
		download.Install(c, d)
	})
	go func() {
		if resp, err := http.Get(ours + blob); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-held
	resp, got := do(t, http.MethodGet, ours+blob, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.True(t, bytes.Equal(content, got))
}
