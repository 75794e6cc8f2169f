package main

import (
	"fmt"
	"math/bits"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// counted is a number of things, such as "1 blob" or "3 registries".
func counted(n int, thing string) string {
	return fmt.Sprintf("%d %s", n, english.PluralWord(n, thing, ""))
}

// either chooses the words for one thing, or for any other number.
func either(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// blobsText is a number of blobs, and of their bytes.
func blobsText(blobs int, bytes int64) string {
	return fmt.Sprintf("%s (%s)", counted(blobs, "blob"), bytesText(bytes))
}

// bytesText is a number of bytes. Other registries may say any: fewer than none are none.
func bytesText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// perSecond is a rate in bytes a second.
func perSecond(rate float64) string {
	const most = 1 << 62 // which is more than there is, and an int64
	return bytesText(int64(min(max(rate, 0), most))) + "/s"
}

// share is how many percent of a whole a part is: 100 at most, whatever is said of both.
func share(part, whole int64) int64 { return scaled(100, part, whole) }

// scaled is the part of n that a part is of a whole, without an overflow on the way.
func scaled(n uint64, part, whole int64) int64 {
	whole = max(whole, 1)
	part = min(max(part, 0), whole)
	high, low := bits.Mul64(n, uint64(part))
	of, _ := bits.Div64(high, low, uint64(whole))
	return int64(of)
}
