package driver

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"
)

// FuzzParameters: a configuration is taken or refused, and read alike each time. A refusal shows
// nothing of a key.
func FuzzParameters(f *testing.F) {
	f.Add("protectorkey: 0123\nreplicas: all\nminfree: 10%\ntrustedpeers: [a, b]\nsynctimeout: 2s", "0123456789abcdef")
	f.Add("capacity: 500GiB\ncachesize: none\nackreplicas: -1\nbootstrappers: /ip4/192.0.2.1/tcp/4619/p2p/x", "")
	f.Add("replicas: 1e3\nminfree: .5\ngc: maybe\nscrubinterval: 0\nno_such: {a: b}", "x")
	f.Fuzz(func(t *testing.T, text, secret string) {
		var m map[string]any
		if yaml.Unmarshal([]byte(text), &m) != nil || m == nil {
			return
		}
		secret = "sesame " + secret
		m["protectorkey"] = secret
		_, first := ParseParameters(m)
		_, again := ParseParameters(m)
		if fmt.Sprint(first) != fmt.Sprint(again) {
			t.Errorf("%v, and then %v", first, again)
		}
		if first != nil && strings.Contains(first.Error(), "sesame") && !strings.Contains(text, "sesame") {
			t.Errorf("shows the key: %v", first)
		}
	})
}

// FuzzRange: where net/http sends a range of a blob, the first byte that is made sure of is the
// one that it begins with.
func FuzzRange(f *testing.F) {
	f.Add("bytes=5-", uint16(100))
	f.Add("bytes=-5", uint16(3))
	f.Add("bytes= 5-9 , 1-2", uint16(100))
	f.Add("bytes=18446744073709551615-", uint16(7))
	f.Fuzz(func(t *testing.T, header string, size uint16) {
		first := firstByte(header, int64(size))
		w := httptest.NewRecorder()
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Range": {header}}}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, size)))
		var from, to, all int64
		if n, _ := fmt.Sscanf(w.Header().Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &all); n == 3 && w.Code == http.StatusPartialContent && from != first {
			t.Errorf("%q of %d begins at %d, not at %d", header, size, from, first)
		}
	})
}

// FuzzHashState: whatever lies beside an upload as the state of its digest is one, or is not
// taken.
func FuzzHashState(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("sha\x03" + strings.Repeat("x", 104)))
	file := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, state []byte) {
		if err := os.WriteFile(file, state, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := readState(file); err == nil && len(h.Sum(nil)) != 32 {
			t.Errorf("%x", h.Sum(nil))
		}
	})
}
