package limit_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

func TestRefusals(t *testing.T) {
	logger, hook := test.NewNullLogger()
	b := limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 1024}, logrus.NewEntry(logger))
	for range 50 {
		b.Refuse(limit.Requests, from("a", "192.0.2.1", limit.Member))
		b.Refuse(limit.Requests, from("a", "192.0.2.2", limit.Member))
		b.Refuse(limit.Handshakes, from("", "192.0.2.3", limit.Stranger))
	}
	want := []limit.Refusals{{limit.Handshakes, limit.Stranger, 50}, {limit.Requests, limit.Member, 100}}
	if got := b.Refused(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, s := range b.State() {
		if s.What == limit.Requests && (s.Refused[limit.Member] != 100 || s.Bounds.Total < 512) {
			t.Errorf("%+v", s)
		}
	}
	if n := len(hook.AllEntries()); n != 2 {
		t.Errorf("%d lines", n)
	}
	for _, e := range hook.AllEntries() {
		if !strings.Contains(e.Message, "to shut it out") || e.Data["peer"] == nil && e.Data["address"] == nil {
			t.Errorf("%s %v", e.Message, e.Data)
		}
	}
	for i := range 5000 {
		b.Refuse(limit.Requests, from(fmt.Sprint("identity ", i), "", limit.Member))
	}
	if n := len(hook.AllEntries()); n > 100 {
		t.Errorf("%d lines of identities", n)
	}
	b.Refuse(limit.Streams, from("b", "", limit.Trusted))
	b.Refuse(limit.Streams, from("b", "", limit.Connected)) // before it was a member
	for range 2000 {
		b.Refuse(limit.Requests, from(rand.Text(), "", limit.Member))
	}
	if of := b.RefusedTo("b"); len(of) != 1 || of[limit.Streams] < 1 {
		t.Errorf("b was refused %v, which others of a lower rank make nobody forget", of)
	}
	if of := b.RefusedTo("a"); of != nil {
		t.Errorf("a was refused %v, and many members since", of)
	}
}

func TestMemoryOfAGroup(t *testing.T) {
	root := t.TempDir()
	for dir, max := range map[string]string{"": "max", "a": "3000\n", "a/b": "max\n", "a/b/c": "5000\n"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, "memory.max"), []byte(max), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := limit.GroupMemory(root, []byte("1:name=x:/other\n0::/a/b/c\n")); got != 3000 {
		t.Errorf("%d bytes", got)
	}
	if got := limit.ThisMachine(); got.Memory < 1<<20 || got.Memory > 1<<50 || got.Descriptors < 16 {
		t.Errorf("this machine has %d bytes and %d descriptors", got.Memory, got.Descriptors)
	}
}
