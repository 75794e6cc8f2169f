package main

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

func sumOf(n int, bytes int64) driver.DiffSum { return driver.DiffSum{Count: n, Bytes: bytes} }

// TestTheTablesOfDiff, as an operator reads them.
func TestTheTablesOfDiff(t *testing.T) {
	shares := func(shared, a, b int) driver.Shares {
		return driver.Shares{Shared: sumOf(shared, int64(shared)*mib), OnlyA: sumOf(a, int64(a)*mib), OnlyB: sumOf(b, int64(b)*mib)}
	}
	d := driver.Diff{
		A: driver.DiffImage{Of: "app:1"}, B: driver.DiffImage{Of: "app:2", Only: []string{"linux/s390x", "linux/arm64"}},
		Platforms: []driver.PlatformDiff{{
			Platform: "linux/amd64", Blobs: shares(3, 1, 1), Leaves: shares(120, 30, 40), Files: shares(300, 5, 7),
			Paths:   driver.PathShares{Same: sumOf(290, 299*mib), ChangedA: sumOf(2, mib), ChangedB: sumOf(2, 2*mib), OnlyA: sumOf(1, 10), OnlyB: sumOf(0, 0)},
			Rest:    driver.RestDiff{Compression: []string{"gzip", "zstd"}, Leaves: shares(0, 30, 40), Files: shares(92, 5, 8), Plain: shares(60, 40, 40)},
			NotHere: []driver.DiffLayer{{Digest: "sha256:0123456789abcdef", Size: 3 * mib, In: "b"}},
			Unread:  []driver.DiffTrouble{{Digest: "sha256:f00", Reason: "layer sha256:f00: unexpected EOF"}},
		}},
	}
	want := `DIFF  app:1 and app:2, linux/amd64
                   SHARED              ONLY app:1   ONLY app:2
  blobs            3 (3.0 MiB), 75%    1 (1.0 MiB)  1 (1.0 MiB)
  leaves           120 (120 MiB), 75%  30 (30 MiB)  40 (40 MiB)
  files, by bytes  300 (300 MiB), 97%  5 (5.0 MiB)  7 (7.0 MiB)
  files, by path   290 (299 MiB), 99%  1 (10 B)     0 (0 B)
    changed                            2 (1.0 MiB)  2 (2.0 MiB)

IN LAYERS THAT THEY DO NOT SHARE  gzip, zstd
                        SHARED            ONLY app:1   ONLY app:2
  leaves                0 (0 B), 0%       30 (30 MiB)  40 (40 MiB)
  files, by bytes       92 (92 MiB), 92%  5 (5.0 MiB)  8 (8.0 MiB)
  leaves, uncompressed  60 (60 MiB), 60%  40 (40 MiB)  40 (40 MiB)

NOTES
  hidden    the layers share 0% of their leaves, but 92% of their files' bytes, hidden by gzip and zstd: pushed without compression they would share 60%
  not here  sha256:0123456789ab (3.0 MiB), in b: its files are not compared; --fetch fetches it
  not read  layer sha256:f00: unexpected EOF

NOT COMPARED
  app:2  linux/s390x, linux/arm64
`
	var out strings.Builder
	if err := printDiff(&out, d); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestWhatIsSaidToBeHidden is only what is.
func TestWhatIsSaidToBeHidden(t *testing.T) {
	shares := func(percent int64) driver.Shares {
		return driver.Shares{Shared: sumOf(1, percent), OnlyB: sumOf(1, 100-percent)}
	}
	for _, c := range []struct {
		leaves, files, plain int64
		want                 string
	}{
		{0, 0, 0, ""}, {90, 95, 99, ""}, {0, 92, 81, "pushed without compression they would share 81%"}, {0, 92, 3, "as a leaf is 1 MiB"},
	} {
		text := hiddenText(driver.RestDiff{Compression: []string{"gzip"}, Leaves: shares(c.leaves), Files: shares(c.files), Plain: shares(c.plain)})
		if c.want == "" && text != "" || !strings.Contains(text, c.want) {
			t.Errorf("%+v: %s", c, text)
		}
	}
}
