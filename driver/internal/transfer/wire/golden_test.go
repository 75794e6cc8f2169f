package wire

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

// TestGoldenCopies: the question about copies, and its answer. All other requests have no body.
func TestGoldenCopies(t *testing.T) {
	const root = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
	copies := list[Copy]{{Whole: true, Kept: true, Leaves: 3, Of: 3}, {Leaves: 1, Of: 2}, {}}
	stored := golden.Held(t, *update, "copies.json", map[string]string{
		"question": golden.JSON(t, copiesMsg{CIDs: list[string]{root}, Relies: true}),
		"answer":   golden.JSON(t, copiesAnswer{copies}),
	})
	r := httptest.NewRequest(http.MethodPost, copiesPath, strings.NewReader(stored["question"]))
	if q, err := readQuestion(r); err != nil || !reflect.DeepEqual(q, CopiesQuestion{[]cid.Cid{cid.MustParse(root)}, true}) {
		t.Errorf("%+v %v", q, err)
	}
	var a copiesAnswer
	if err := json.Unmarshal([]byte(stored["answer"]), &a); err != nil || !reflect.DeepEqual(a.Copies, copies) {
		t.Errorf("%+v %v", a, err)
	}
}
