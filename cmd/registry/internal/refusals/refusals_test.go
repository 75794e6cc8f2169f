package refusals

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// served is a server whose handler is refused something and then answers by itself.
func served(t *testing.T, refusal *driver.Refusal, next http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next(&answer{ResponseWriter: w, refused: func() *driver.Refusal { return refusal }, unwritten: written}, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func written() bool { return false }

func full() *driver.Refusal {
	return &driver.Refusal{Status: 507, Code: "FULL", Retry: 1500 * time.Millisecond, Err: errors.New("the disk is full"), Detail: "of /"}
}

// TestAnErrorAfterARefusalIsTheRefusal, whatever the error, and nothing of it is left.
func TestAnErrorAfterARefusalIsTheRefusal(t *testing.T) {
	for _, status := range []int{400, 404, 416, 500} {
		url := served(t, full(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "7")
			w.Header().Set("Docker-Content-Digest", "sha256:0")
			w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "theirs\n")
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("theirs"))
		})
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequest(method, url, nil)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 507, resp.StatusCode)
			require.Equal(t, "2", resp.Header.Get("Retry-After"))
			require.Empty(t, resp.Header.Get("Docker-Content-Digest"))
			require.Equal(t, "registry/2.0", resp.Header.Get("Docker-Distribution-API-Version"))
			if method == http.MethodGet {
				require.JSONEq(t, `{"errors":[{"code":"FULL","message":"the disk is full","detail":"of /"}]}`, string(text))
			}
		}
	}
}

// TestOtherAnswersPassThrough: what succeeds although something was refused, and an
// error before which nothing was.
func TestOtherAnswersPassThrough(t *testing.T) {
	for status, refusal := range map[int]*driver.Refusal{200: full(), 206: full(), 307: full(), 404: nil, 500: nil} {
		url := served(t, refusal, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Theirs", "yes")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "theirs")
		})
		resp, err := http.Get(url)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, "yes", resp.Header.Get("X-Theirs"))
		require.Equal(t, "theirs", string(text))
	}
}

// below is the writer under an answer, and counts what reaches it by ReadFrom.
type below struct {
	http.ResponseWriter
	read int64
}

func (b *below) ReadFrom(src io.Reader) (int64, error) {
	n, err := b.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	b.read += n
	return n, err
}

func (b *below) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// TestAFileReachesTheConnectionAsAFile, and what else a connection can do is there.
func TestAFileReachesTheConnectionAsAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("x", 1<<20)), 0o600))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &below{ResponseWriter: w}
		a := &answer{ResponseWriter: b, refused: full, unwritten: written}
		control := http.NewResponseController(a)
		if err := errors.Join(control.SetWriteDeadline(time.Time{}), control.SetReadDeadline(time.Time{})); err != nil {
			t.Error(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = f.Close() }()
		if n, err := io.Copy(a, f); err != nil || n != 1<<20 || b.read != n {
			t.Errorf("%d bytes, %d of them as a file: %v", n, b.read, err)
		}
		a.Flush()
	}))
	defer s.Close()
	resp, err := http.Get(s.URL)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.EqualValues(t, 1<<20, n)
}

// TestNoSuccessBeforeAllIsWritten, whatever the handler says; its own errors stay.
func TestNoSuccessBeforeAllIsWritten(t *testing.T) {
	for status, want := range map[int]int{201: 500, 202: 500, 204: 500, 404: 404} {
		w := httptest.NewRecorder()
		a := &answer{ResponseWriter: w, refused: func() *driver.Refusal { return nil }, unwritten: func() bool { return true }}
		a.WriteHeader(status)
		require.Equal(t, want, w.Code)
	}
}
