package summary

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzAnswer: whatever a member answers is bounded, and can be printed and counted.
func FuzzAnswer(f *testing.F) {
	full, err := json.Marshal(answer{Summary: &Summary{
		Now: time.Unix(1795824000, 0).UTC(), Up: time.Hour, Name: "Büro 3", Version: "v1.2.3",
		Map:  Map{Digest: strings.Repeat("ab", 32), Entries: 7, Heads: []string{"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"}},
		Kept: &Amount{1, 2}, Cache: &Amount{3, 4}, OnlyHere: &Amount{5, 6}, Images: []string{"team/app:1"}, Free: 8, Total: 9, Transfers: 1, In: 2, Out: 3,
		Trouble: &Trouble{time.Minute, "no room for copies"}, Connected: []string{"12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(full))
	f.Add(`{"refused":"stranger"}`)
	f.Add(`{"summary":{"up":-1,"name":"\u001b[2J\u0000","map":{"entries":-5,"heads":["x"]},"kept":{"blobs":-1},"trouble":{"ago":-1,"text":"a\nb"},"connected":["x",""]}}`)
	f.Add(`{"summary":null}x`)
	f.Fuzz(func(t *testing.T, body string) {
		s, err := read([]byte(body))
		if err != nil {
			return
		}
		texts := slices.Concat([]string{s.Name, s.Version, s.Map.Digest}, s.Map.Heads, s.Connected)
		numbers := []int64{int64(s.Up), int64(s.Map.Entries), s.Free, s.Total, int64(s.Transfers), s.In, s.Out}
		if len(s.Images) > MaxImages {
			t.Errorf("%d images", len(s.Images))
		}
		for _, a := range []*Amount{s.Kept, s.Cache, s.OnlyHere} {
			if a != nil {
				numbers = append(numbers, int64(a.Blobs), a.Bytes)
			}
		}
		if s.Trouble != nil {
			texts, numbers = append(texts, s.Trouble.Text), append(numbers, int64(s.Trouble.Ago))
		}
		for _, text := range texts {
			if len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q", text)
			}
		}
		for _, n := range numbers {
			if n < 0 {
				t.Errorf("%d in %+v", n, s)
			}
		}
		if len(s.Map.Heads) > maxHeads || len(s.Connected) > MaxConnected || !reflect.DeepEqual(s.Plausible(), s) {
			t.Errorf("%+v became %+v", s, s.Plausible())
		}
	})
}
