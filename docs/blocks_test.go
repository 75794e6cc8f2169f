package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// block is what stands between two fences of a page.
type block struct {
	page, heading, language, text string
}

// command is what a user types, and what the page says that it answers.
type command struct {
	block

	text, output string
}

// languages are those that a block may be in. What is in text is no command, and is not run.
var languages = []string{"console", "yaml", "nginx", "haproxy", "ini", "text"}

var (
	fenced = regexp.MustCompile("^```([a-z]*)$")
	titled = regexp.MustCompile(`^#{1,6} +(.+?) *$`)
	here   = regexp.MustCompile(`<<'?([A-Z]+)'?`)
)

// blocks are all of a page, in its order.
func blocks(page, content string) []block {
	var all []block
	var in *block
	heading := ""
	for line := range strings.Lines(content) {
		line = strings.TrimSuffix(line, "\n")
		open := fenced.FindStringSubmatch(line)
		switch {
		case in == nil && open != nil:
			in = &block{page: page, heading: heading, language: open[1]}
		case in == nil:
			if t := titled.FindStringSubmatch(line); t != nil {
				heading = t[1]
			}
		case open != nil:
			all, in = append(all, *in), nil
		default:
			in.text += line + "\n"
		}
	}
	return all
}

// commands are those of a console block: a line after a prompt, with the lines that it goes on for.
func (b block) commands() []command {
	var all []command
	if b.language != "console" {
		return nil
	}
	root := strings.HasPrefix(b.text, "# ") // else a line that begins so is what comes back
	goesOn, until := false, ""
	for line := range strings.Lines(b.text) {
		prompted := strings.HasPrefix(line, "$ ") || root && strings.HasPrefix(line, "# ")
		switch {
		case goesOn || until != "":
			all[len(all)-1].text += line
			if until == strings.TrimSpace(line) {
				until = ""
			}
		case prompted:
			all = append(all, command{block: b, text: line[2:]})
			if h := here.FindStringSubmatch(line); h != nil {
				until = h[1]
			}
		case len(all) > 0:
			all[len(all)-1].output += line
		}
		goesOn = strings.HasSuffix(strings.TrimSpace(line), `\`) && until == "" && (prompted || goesOn)
	}
	return all
}

// allBlocks are those of all pages.
func allBlocks(t *testing.T) []block {
	t.Helper()
	pages := markdown(t)
	var all []block
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		all = append(all, blocks(name, pages[name])...)
	}
	if len(all) < 50 {
		t.Errorf("only %d blocks were found", len(all))
	}
	return all
}

var target = regexp.MustCompile(`(?m)^([a-z-]+):`)

// TestEachCommandIsRun: what a page tells a user to type is run in a session here, or by what elsewhere
// names, or is a target of the Makefile.
func TestEachCommandIsRun(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	used := map[string]bool{}
	for _, b := range allBlocks(t) {
		if !slices.Contains(languages, b.language) {
			t.Errorf("%s, %s: a block in %q: it has to be one of %q", b.page, b.heading, b.language, languages)
		}
		for _, c := range b.commands() {
			if name, ok := strings.CutPrefix(c.text, "make "); ok {
				if name = strings.Fields(name)[0]; !targets[name] {
					t.Errorf("%s, %s: the Makefile has no target %s", b.page, b.heading, name)
				}
			} else if by := c.elsewhere(); by != nil {
				used[by.page+by.begins] = true
			} else if c.session() == nil {
				t.Errorf("%s, %s: neither run in a session nor named in elsewhere: %s", b.page, b.heading, c.text)
			}
		}
	}
	for _, by := range elsewhere {
		if !used[by.page+by.begins] {
			t.Errorf("elsewhere names %q, which is not on %s any more", by.begins, by.page)
		}
		if _, err := os.Stat(filepath.Join(root, by.runs)); err != nil {
			t.Errorf("elsewhere: %v", err)
		}
	}
}

// TestYAMLCanBeRead: each block in YAML is YAML. What it says to the registry TestConfigurationsAreTaken reads.
func TestYAMLCanBeRead(t *testing.T) {
	for _, b := range allBlocks(t) {
		var into map[string]any
		if b.language == "yaml" && yaml.UnmarshalStrict([]byte(b.text), &into) != nil {
			t.Errorf("%s, %s: %v", b.page, b.heading, yaml.UnmarshalStrict([]byte(b.text), &into))
		}
	}
}
