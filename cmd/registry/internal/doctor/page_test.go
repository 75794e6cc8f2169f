package doctor

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// page is where operators read what a finding means.
const page = "../../../../docs/operations.md"

// table is the table of all kinds there.
func table() string {
	var text strings.Builder
	for _, s := range []Severity{Broken, Warning} {
		for _, c := range Checks() {
			for _, k := range c.Kinds {
				if k.Severity == s {
					fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", k.Name, k.Severity, onPage(k.Means), onPage(k.Remedy))
				}
			}
		}
	}
	return text.String()
}

// onPage is Markdown whose links begin in docs as they are on the page itself.
func onPage(text string) string { return strings.ReplaceAll(text, "(operations.md#", "(#") }

// TestThePageHasAllFindings: the table on the page is the one of the code. UPDATE=1 writes it there.
func TestThePageHasAllFindings(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| finding | | what it means | what to do |\n|---|---|---|---|\n"
	before, rest, ok := strings.Cut(string(content), head)
	if !ok {
		t.Fatalf("no table on %s", page)
	}
	is, after, _ := strings.Cut(rest, "\n\n")
	if want := strings.TrimSuffix(table(), "\n"); is != want {
		if os.Getenv("UPDATE") == "" {
			t.Fatalf("the table on %s is not that of the code; `UPDATE=1 go test ./cmd/registry/internal/doctor` writes it", page)
		}
		if err := os.WriteFile(page, []byte(before+head+want+"\n\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
