package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/rivo/uniseg"
)

// printable is a text that a member, an image or a registry says, as it may be printed: a terminal takes
// nothing in it for an order, and it stays in its line and its column.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// cut is as much of a printable text as a line of so many columns holds.
func cut(text string, columns int) string {
	if uniseg.StringWidth(text) <= columns {
		return text
	}
	var short strings.Builder
	left := columns - 1 // for the mark that something is missing
	for state := -1; len(text) > 0; {
		var cluster string
		var width int
		cluster, text, width, state = uniseg.FirstGraphemeClusterInString(text, state)
		if left -= width; left < 0 {
			break
		}
		short.WriteString(cluster)
	}
	return short.String() + "…"
}

// jsonEncoder writes JSON in which a terminal finds no orders, either.
func jsonEncoder(out io.Writer) *json.Encoder { return json.NewEncoder(escapedJSON{out}) }

// escapedJSON escapes what encoding/json leaves as it is, though a terminal may take it for an order: DEL,
// C1 controls, and marks of direction. In JSON they can only be a part of a text.
type escapedJSON struct{ out io.Writer }

func (e escapedJSON) Write(b []byte) (int, error) {
	odd := func(r rune) bool { return r >= unicode.MaxASCII && !unicode.IsPrint(r) }
	text := string(b)
	if strings.IndexFunc(text, odd) < 0 {
		return e.out.Write(b)
	}
	var safe strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case !odd(r):
			safe.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(e.out, safe.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}
