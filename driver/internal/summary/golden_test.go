package summary

import (
	"errors"
	"flag"
	"reflect"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

// TestGoldenAnswers: what registries of all releases answer when they are asked how they are.
func TestGoldenAnswers(t *testing.T) {
	all := Summary{
		Now: time.Unix(1700000000, 5).UTC(), Up: time.Hour, Name: "a", Version: "v1.0.0",
		Map:  Map{Digest: "6155", Entries: 14, Heads: []string{"bafybeidjxutyygcidc4kagw6phadvmud36435rn2ylhhg3gqyvyg3hease"}},
		Kept: &Amount{1, 2}, Cache: &Amount{3, 4}, OnlyHere: &Amount{5, 6}, Images: []string{"team/app:1"},
		Free: 7, Total: 8, Transfers: 9, In: 10, Out: 11, Trouble: &Trouble{time.Minute, "no room"},
		Connected: []string{"12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"},
	}
	stored := golden.Held(t, *update, "answers.json", map[string]string{
		"summary":  golden.JSON(t, answer{Summary: &all}),
		"little":   golden.JSON(t, answer{Summary: &Summary{Now: all.Now}}),
		"stranger": golden.JSON(t, answer{Refused: stranger}),
		"busy":     golden.JSON(t, answer{Refused: busy}),
	})
	if got, err := read([]byte(stored["summary"])); err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]error{"stranger": ErrStranger, "busy": ErrBusy, "little": nil} {
		if _, err := read([]byte(stored[text])); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
