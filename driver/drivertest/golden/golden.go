// Package golden holds what is written to disks, and sent to members, to bytes in files that all releases
// have in common: what one has written, each later one reads, and the other way round.
//
//	var update = flag.Bool("update", false, "write the golden bytes anew")
//
//	stored := golden.Held(t, *update, "wire.json", map[string]string{"question": question})
//	// … and reads stored["question"], as of a release that wrote it long ago
//
// A file that changes is a format that changes: docs/decisions/0013-formats.md says what that takes. What
// is only added is a new name in the file, or a new file.
package golden

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Held compares what a release writes, each under a name, with a file in testdata of the package that is
// tested, and returns what is in the file. With update it writes the file first.
func Held(t testing.TB, update bool, file string, got map[string]string) (stored map[string]string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.MkdirAll("testdata", 0o750)
		}
		if err == nil {
			err = os.WriteFile(path, append(text, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		t.Fatal(err)
	}
	names := maps.Clone(stored)
	maps.Copy(names, got)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if got[name] != stored[name] {
			t.Errorf("%s\nis    %s\nwas   %s", name, got[name], stored[name])
		}
	}
	return stored
}

// JSON is how a value is written.
func JSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Bytes are those of a text in hex.
func Bytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
