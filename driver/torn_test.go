package driver

import (
	"crypto/sha256"
	"encoding"
	"os"
	"slices"
	"testing"
)

// TestWhatACrashTakesOfAnUpload that was not synced does not stop its client.
func TestWhatACrashTakesOfAnUpload(t *testing.T) {
	d := newOffline(t)
	const dir = "/docker/registry/v2/repositories/team/app/_uploads/1"
	state, err := sha256.New().(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/startedat", "/hashstates/sha256/500000", "/hashstates/sha256/700000"} {
		if err := d.store.local.(local).write(dir+file, state); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/startedat", "/hashstates/sha256/500000"} {
		if err := os.Truncate(d.store.localFile(dir+file), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.GetContent(t.Context(), dir+"/startedat"); !isNotFound(err) {
		t.Errorf("an upload without a beginning: %v", err)
	}
	states, err := d.List(t.Context(), dir+"/hashstates/sha256")
	if want := []string{dir + "/hashstates/sha256/700000"}; err != nil || !slices.Equal(states, want) {
		t.Errorf("%v, %v instead of %v", states, err, want)
	}
	if all, err := d.List(t.Context(), dir+"/hashstates"); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}
