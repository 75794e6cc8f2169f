package wire

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// TestBombs: what members ask and answer in JSON takes no more memory on the way, in KiB, than
// this. Their headers are bounded by net/http, at both ends: MaxHeaderBytes and
// MaxResponseHeaderBytes.
func TestBombs(t *testing.T) {
	ask := func(b []byte) error {
		_, err := readQuestion(httptest.NewRequest("POST", copiesPath, bytes.NewReader(b)))
		return err
	}
	answered := func(b []byte) error { var a copiesAnswer; return json.Unmarshal(b, &a) }
	for _, c := range []struct {
		what, who   string
		begin, each string
		size        int
		feed        func([]byte) error
		most        uint64
	}{
		{"a question about copies", "a member", `{"cids":[`, `"",`, maxQuestion, ask, 1536},
		{"a question about a long CID", "a member", `{"cids":["z`, `2`, maxQuestion, ask, 4096},
		{"an answer about copies", "a member that was asked", `{"copies":[`, `{},`, maxCopies, answered, 1024},
	} {
		end := map[bool]string{true: `"]}`, false: `]}`}[c.each == `2`]
		bomb := []byte(strings.TrimSuffix(c.begin+strings.Repeat(c.each, (c.size-16)/len(c.each)), ",") + end)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.feed(bomb)
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took > c.most {
			t.Errorf("%s of %s took %d KiB, more than %d", c.what, c.who, took, c.most)
		}
		if err == nil {
			t.Errorf("%s was taken", c.what)
		}
	}
}
