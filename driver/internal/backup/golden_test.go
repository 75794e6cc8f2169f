package backup

import (
	"bytes"
	"encoding/hex"
	"flag"
	"reflect"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

// TestGoldenBackup: what each release restores.
func TestGoldenBackup(t *testing.T) {
	head := Head{ID: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", Peer: "12D3", Release: "v1.0.0", Created: time.Unix(1700000000, 5).UTC()}
	records := []Record{{"/a", []byte("one")}, {"/b", []byte{0, 255}}, {"/c", []byte{}}}
	var out bytes.Buffer
	sum, err := writeRecords(&out, head, func(put func(Record) error) error {
		for _, r := range records {
			if err := put(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{Format: format, Head: head, Sum: sum, MapOnly: true, Blobs: 2, Bytes: 3, Missing: 1}
	stored := golden.Held(t, *update, "backup.json", map[string]string{
		"records": hex.EncodeToString(out.Bytes()), "manifest": golden.JSON(t, m),
	})
	r, err := ReadRecords(bytes.NewReader(golden.Bytes(t, stored["records"])))
	if err != nil {
		t.Fatal(err)
	}
	var got []Record
	if err := r.each(func(rec Record) error { got = append(got, rec); return nil }); err != nil {
		t.Fatal(err)
	}
	was, err := parseManifest([]byte(stored["manifest"]))
	if err != nil || !reflect.DeepEqual(was, m) || was.matches(r) != nil {
		t.Errorf("%+v %v", was, err)
	}
	for i := range got {
		if got[i].Key != records[i].Key || !bytes.Equal(got[i].Value, records[i].Value) {
			t.Errorf("record %d is read as %+v", i, got[i])
		}
	}
	if len(got) != len(records) {
		t.Errorf("%d records", len(got))
	}
}
