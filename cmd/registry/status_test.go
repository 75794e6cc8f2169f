package main_test

import (
	"strings"
	"testing"
)

// TestStatusIsAligned reads what an operator sees: sections, columns under their
// titles, members by name and short peer ID, at the address in use.
func TestStatusIsAligned(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key, "name: Büro 3", "zone: attic")
	b := newProcess(t, key, a.bootstrap(), "name: cellar")
	a.start()
	b.start()
	await(t, "each knows the other's name", func() bool {
		as, bs := a.status().Members, b.status().Members
		return len(as) == 1 && as[0].Name == "cellar" && len(bs) == 1 && bs[0].Name == "Büro 3"
	})
	peerA := a.status().PeerID
	addr, _, _ := strings.Cut(strings.TrimPrefix(a.bootstrap(), "bootstrappers: "), "/p2p/")
	lines := b.statusLines(t)
	for _, title := range []string{"REGISTRY", "STORAGE", "TRANSFERS  0 active", "MEMBERS  1 of 1 connected"} {
		if !containsPrefix(lines, title) {
			t.Errorf("no section %q:\n%s", title, strings.Join(lines, "\n"))
		}
	}
	head, row := lines[len(lines)-2], lines[len(lines)-1]
	for column, want := range map[string]string{"NAME": "Büro 3", "PEER": peerA[len(peerA)-8:], "STATE": "connected", "ADDRESS": addr, "LAST CHANGE": "-"} {
		at := len([]rune(head[:max(0, strings.Index(head, column))]))
		if cells := []rune(row); at >= len(cells) || !strings.HasPrefix(string(cells[at:]), want) {
			t.Errorf("%q is not under %s:\n%s\n%s", want, column, head, row)
		}
	}
	if strings.Contains(row, peerA) {
		t.Errorf("the whole peer ID: %s", row)
	}
	if wide := strings.Join(b.statusLines(t, "--wide"), "\n"); !strings.Contains(wide, peerA) || !strings.Contains(wide, "known at") || !strings.Contains(wide, "nothing for others, zone attic, ") {
		t.Errorf("not wide:\n%s", wide)
	}
}

func (p *process) statusLines(t *testing.T, flags ...string) []string {
	t.Helper()
	out, err := p.command(append([]string{"ipfs", "status"}, flags...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func containsPrefix(lines []string, prefix string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
