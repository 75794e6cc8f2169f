package main

import (
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheTablesOfTheLog compares them with testdata/log.txt: changes of each kind, and conflicts of which
// one is open, one has what is lost on no registry that answers, and one has it deleted.
func TestTheTablesOfTheLog(t *testing.T) {
	at := func(ago time.Duration) *time.Time { at := noon.Add(-ago); return &at }
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	a, b := driver.Author{PeerID: attic, Name: "attic"}, driver.Author{PeerID: barn}
	change := func(what, tag, of string, by driver.Author, ago time.Duration, from ...string) driver.LogChange {
		c := driver.LogChange{What: what, Repository: "team/app", Tag: tag, By: by, At: at(ago), From: []string{}}
		if of != "" {
			c.Digest = digest(of)
		}
		for _, d := range from {
			c.From = append(c.From, digest(d))
		}
		return c
	}
	in := func(c driver.LogChange, open bool, won string, by driver.Author, lost ...driver.TagVersion) driver.LogChange {
		c.Conflict = &driver.TagConflict{Open: open, Won: driver.TagVersion{Digest: digest(won), By: by, Manifest: "here"}, Lost: lost}
		return c
	}
	lost := func(of string, by driver.Author, manifest string) driver.TagVersion {
		return driver.TagVersion{Digest: digest(of), By: by, At: at(time.Hour), Manifest: manifest}
	}
	heard := change("untagged", "old", "a", a, 0)
	heard.At, heard.Heard = nil, at(time.Minute)
	unknown := change("deleted", "", "b", driver.Author{}, 0)
	unknown.At = nil
	open := lost("d", b, "here")
	l := driver.Log{Looked: 50_000, Next: "0000000000000007-12200a", Changes: []driver.LogChange{
		heard, unknown,
		change("moved", "1.0", "e", a, 2*time.Minute, "c", "d"),
		in(change("moved", "latest", "c", a, time.Hour, "b"), true, "c", a, open),
		in(change("moved", "latest", "d", b, time.Hour, "b"), true, "c", a, open),
		in(change("tagged", "2", "e", b, 26*time.Hour), false, "e", b, lost("f", a, "silent"), lost("a", a, "deleted")),
		change("again", "1.0", "b", a, 50*time.Hour, "b"),
		change("pushed", "", "f", b, 51*time.Hour),
		change("tagged", "1.0", "", b, 52*time.Hour),
	}}
	local := &configuration.Configuration{}
	local.HTTP.Addr = ":5000"
	requireGolden(t, "log.txt", logSections(l, driver.LogOptions{Repository: "team/app"}, registryOf(local), time.UTC, false))
	requireGolden(t, "log-none.txt", logSections(driver.Log{}, driver.LogOptions{}, registryOf(local), time.UTC, false))
}

// TestNoCommandRunsWhatAMemberWrote: who copies what the log offers runs nothing but crane.
func TestNoCommandRunsWhatAMemberWrote(t *testing.T) {
	lost := driver.TagVersion{Digest: "sha256:" + strings.Repeat("a", 64)}
	for _, name := range [][2]string{{"a;reboot", "1"}, {"a", "$(reboot)"}, {"a", "1\nreboot"}, {"-rf", "1"}, {"a", "--insecure"}, {"a b", "1"}, {"a", "\u202etoober"}} {
		for _, lost.Manifest = range []string{"here", "elsewhere", "silent", ""} {
			if says := getBack(driver.LogChange{Repository: name[0], Tag: name[1]}, lost, registryAt{host: "localhost:5000"}); strings.Contains(says, "crane") {
				t.Errorf("%q: %s", name, says)
			}
		}
	}
	if says := getBack(driver.LogChange{Repository: "team/app", Tag: "1.0_a-b"}, lost, registryAt{host: "localhost:5000"}); !strings.Contains(says, "crane tag localhost:5000/team/app@sha256:") {
		t.Error(says)
	}
}

// TestWhereTheRegistryIsForItsClients on this machine, by its configuration.
func TestWhereTheRegistryIsForItsClients(t *testing.T) {
	for _, c := range []struct {
		host, addr, certificate string
		want                    registryAt
	}{
		{"", ":5000", "", registryAt{"127.0.0.1:5000", ""}},
		{"", "0.0.0.0:5000", "", registryAt{"127.0.0.1:5000", ""}},
		{"", "[::]:5000", "", registryAt{"[::1]:5000", ""}},
		{"", "127.0.0.1:5000", "", registryAt{"127.0.0.1:5000", ""}},
		{"", "[::1]:5000", "", registryAt{"[::1]:5000", ""}},
		{"", "192.0.2.1:5000", "", registryAt{"192.0.2.1:5000", "--insecure "}},
		{"", "192.0.2.1:443", "tls.crt", registryAt{"192.0.2.1:443", ""}},
		{"https://registry.example.org", ":5000", "", registryAt{"registry.example.org", ""}},
		{"http://registry.example.org:5000", ":5000", "", registryAt{"registry.example.org:5000", "--insecure "}},
		{"http://localhost:5000", ":1", "", registryAt{"localhost:5000", ""}},
	} {
		config := &configuration.Configuration{}
		config.HTTP.Host, config.HTTP.Addr, config.HTTP.TLS.Certificate = c.host, c.addr, c.certificate
		if got := registryOf(config); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestTheTagOfWhatLostIsOne(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for tag, want := range map[string]string{
		"1.0":                    "1.0-lost-aaaaaaaa",
		strings.Repeat("x", 128): strings.Repeat("x", 114) + "-lost-aaaaaaaa",
	} {
		if got := lostTag(tag, digest); got != want || len(got) > maxTag {
			t.Errorf("%s: %s", tag, got)
		}
	}
}
