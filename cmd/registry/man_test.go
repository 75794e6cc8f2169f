package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// commands are made once: upstream's among them are its variables.
var commands = sync.OnceValue(rootCommand)

// pages are those of all commands, by their names.
func pages(t *testing.T) (root *cobra.Command, all map[string]string) {
	t.Helper()
	root, all = commands(), map[string]string{}
	dir := t.TempDir()
	if err := writePages(root, dir, "v0.0.1", time.Date(2026, 11, 27, 13, 20, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name()] = string(b)
	}
	return root, all
}

// TestEachCommandHasAPage, with its usage and all its flags, and each flag has a text.
func TestEachCommandHasAPage(t *testing.T) {
	root, all := pages(t)
	listed := map[string]bool{}
	eachListed(root, func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page := plain(all[name])
		listed[name] = true
		for _, text := range []string{cmd.UseLine(), cmd.Short, strings.Split(cmd.Long, "\n")[0]} {
			if text = strings.NewReplacer("\\", "", "`", "").Replace(text); !strings.Contains(page, text) {
				t.Errorf("%s does not say %q:\n%s", name, text, page)
			}
		}
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s: flag --%s, %q, has no text", name, f.Name, f.Usage)
			}
		})
	})
	if len(listed) < 20 {
		t.Errorf("only %d commands", len(listed))
	}
	for name := range all {
		if !listed[name] {
			t.Errorf("%s is the page of no command that is listed", name)
		}
	}
}

// eachListed calls f with a command and all below it that its help lists.
func eachListed(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			eachListed(sub, f)
		}
	}
}

// request is a macro of man(7) at the beginning of a line; everything else that begins so is lost.
var request = regexp.MustCompile(`(?m)^[.']([^\\\s]*)`)

// TestPagesAreRoff, as far as can be seen, and where groff is installed for sure.
func TestPagesAreRoff(t *testing.T) {
	groff, missing := exec.LookPath("groff")
	_, all := pages(t)
	for name, page := range all {
		if !strings.Contains(page, `"Nov 2026" "distribution-ipfs v0.0.1"`) || strings.Contains(page, "Auto generated") {
			t.Errorf("%s is not of the build:\n%s", name, page)
		}
		for _, m := range request.FindAllStringSubmatch(page, -1) {
			if !slices.Contains([]string{"TH", "SH", "SS", "PP", "TP", "RS", "RE", "EX", "EE", "IP", "nh"}, m[1]) {
				t.Errorf("%s: %q would be taken for a macro", name, m[0])
			}
		}
		if missing != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-z", "-k", "-Tutf8")
		cmd.Stdin = strings.NewReader(page)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestPagesAreReproducible, whenever they are written.
func TestPagesAreReproducible(t *testing.T) {
	_, a := pages(t)
	if _, b := pages(t); !maps.Equal(a, b) {
		t.Error("two builds of one commit write different pages")
	}
	for env, of := range map[string]driver.Build{"": {Date: "2026-11-27T13:20:00Z"}, "1795785600": {}} {
		t.Setenv("SOURCE_DATE_EPOCH", env)
		if date, err := pageDate(of); err != nil || date.Format("2006-01-02") != "2026-11-27" {
			t.Errorf("%q, %+v: %s, %v", env, of, date, err)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if _, err := pageDate(driver.Build{Version: "devel"}); err == nil {
		t.Error("a build that does not know its date has one")
	}
}

// plain is a page without the marks of its fonts.
func plain(page string) string {
	return strings.NewReplacer(`\fB`, "", `\fP`, "", `\fR`, "", `\fI`, "", `\-`, "-", `\&`, "", `\\`, `\`).Replace(page)
}
