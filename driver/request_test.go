package driver_test

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func TestFirstByteOfARange(t *testing.T) {
	const size = 100
	for header, want := range map[string]int64{
		"":                            0,
		"bytes=0-":                    0,
		"bytes=5-":                    5,
		"bytes=5-99":                  5,
		"bytes=5-9, 20-29":            5,
		"bytes=90-99,0-4":             90, // which net/http sends first
		"bytes= 7-9":                  7,
		"bytes=-5":                    95,
		"bytes=-5,0-1":                95,
		"bytes=-100":                  0,
		"bytes=-1000":                 0, // more than there is: all of it
		"bytes=-0":                    size,
		"bytes=100-":                  size, // behind the end: net/http refuses it
		"bytes=9999-":                 9999,
		"bytes=-":                     0,
		"bytes=":                      0,
		"bytes=x-5":                   0,
		"bytes=-x":                    0,
		"bytes=--5":                   0, // net/http refuses it
		"items=5-":                    0,
		"5-":                          0,
		"bytes=99999999999999999999-": 0,
	} {
		if got := driver.FirstByte(header, size); got != want {
			t.Errorf("%q begins at %d, not %d", header, got, want)
		}
	}
}
