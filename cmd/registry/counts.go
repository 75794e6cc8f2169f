package main

import (
	"fmt"

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
	return fmt.Sprintf("%s (%s)", counted(blobs, "blob"), humanize.IBytes(uint64(bytes)))
}
