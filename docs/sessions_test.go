package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"
)

var (
	binary = flag.String("registry", "", "the registry with which the pages' commands are run")
	crane  = flag.String("crane", "", "the client with which sessions push")
	bound  = flag.Duration("bound", 5*time.Minute, "how long a session may take: a command that waits for ever ends with it")
)

// session is a machine in whose network nobody else is, and in which the commands of a page are run one
// after the other, as they stand there. testdata/session.sh makes it.
type session struct {
	page string
	// begins has what is there before, a function of session.sh.
	begins string
	// under are the headings that have a session of their own; all others are in that of the page.
	under []string
	// instead are pairs: what stands on the page, and what is run for it.
	instead []string
	// apart: each block is typed on a machine of its own.
	apart bool
}

var sessions = []session{
	{page: "README.md", begins: "two", under: []string{"Two machines"}, apart: true}, // testdata/deploy/machines.sh: with systemd, apt and scp
	{page: "docs/start.md", begins: "archive", instead: []string{"kill %1", "kill %1; wait %1 || true"}},
	{page: "docs/install.md", begins: "checkout", under: []string{"From source"}},
	{page: "docs/operations.md", begins: "unpacked", under: []string{"From a binary to a running service"}, instead: []string{
		"systemctl daemon-reload && systemctl enable --now registry", "runuser -u registry -- registry serve /etc/registry/config.yml >log 2>&1 &",
	}},
	{page: "docs/operations.md", begins: "swarm", instead: []string{
		"--grace 1m", "--grace 1s", "registry ipfs status config.yml | grep -i peers", "listed; registry ipfs status config.yml | grep -i peers",
		"registry ipfs require-signatures config.yml", "with_all registry ipfs require-signatures config.yml",
	}},
	{page: "docs/sites.md", begins: "edge"},
	{page: "docs/air-gap.md", begins: "gap"},
	{page: "docs/load-balancer.md", begins: "balanced"},
	{page: "docs/moving.md", begins: "old"},
	{page: "docs/upgrading.md", begins: "old"},
	{page: "docs/kubernetes.md", begins: "old"},
}

// by says what runs commands that no session runs, and why none does.
type by struct{ page, begins, runs, why string }

var elsewhere = []by{
	{"docs/install.md", "apt install", debian, "apt wants a package, whose making takes a minute"},
	{"docs/install.md", "systemctl", debian, "there is no systemd in a session"},
	{"docs/install.md", "runuser", debian, "of the package's user"},
	{"docs/install.md", "sha256sum", release, "there is no release"},
	{"docs/install.md", "tar xzf", "docs/start.md", "that page has the same command"},
	{"docs/install.md", "distribution-ipfs-v", release, "there is no release"},
	{"docs/install.md", "docker load", image, "there is no docker in a session"},
	{"docs/install.md", "docker run", image, "there is no docker in a session"},
	{"docs/install.md", "docker exec registry", image, "there is no docker in a session"},
	{"docs/install.md", "docker", compose, "there is no docker in a session"},
	{"docs/install.md", "cd deploy/compose", compose, "there is no docker in a session"},
	{"docs/install.md", "mkdir secrets", compose, "there is no docker in a session"},
	{"docs/install.md", "openssl", compose, "there is no docker in a session"},
	{"docs/install.md", "htpasswd", compose, "there is no docker in a session"},
	{"docs/install.md", "echo SWARM_KEY", compose, "there is no docker in a session"},
	{"docs/install.md", "sed -i '/^SWARM_KEY", compose, "there is no docker in a session"},
	{"docs/install.md", "git checkout", "testdata/reproducible-release.sh", "it builds for minutes"},
	{"docs/install.md", "cat dist", "testdata/reproducible-release.sh", "it builds for minutes"},
	{"README.md", "helm", cluster, "there is no Kubernetes in a session"},
	{"README.md", "kubectl", cluster, "there is no Kubernetes in a session"},
	{"README.md", "docker", cluster, "there is no docker in a session"},
	{"docs/kubernetes.md", "helm", cluster, "there is no Kubernetes in a session"},
	{"docs/kubernetes.md", "kubectl", cluster, "there is no Kubernetes in a session"},
	{"docs/kubernetes.md", "docker", cluster, "there is no docker in a session"},
	{"docs/upgrading.md", "apt install", debian, "apt wants a package, whose making takes a minute"},
	{"docs/operations.md", "man ", "cmd/registry/man_test.go", "not each machine has man"},
	{"docs/operations.md", "sudo -u registry registry ipfs restore", "cmd/registry/backup_test.go", "the registry of a session is not lost"},
	{"docs/moving.md", "docker login", "testdata/clients/balanced.sh", "there is no docker in a session"},
}

const (
	image   = "testdata/deploy/image.sh"
	compose = "testdata/deploy/compose.sh"
	cluster = "testdata/kubernetes/run.sh"
	release = "tools/release/release_test.go"
	debian  = "testdata/deploy/packages.sh"
)

func (c command) elsewhere() *by {
	i := slices.IndexFunc(elsewhere, func(b by) bool { return b.page == c.page && strings.HasPrefix(c.text, b.begins) })
	if i < 0 {
		return nil
	}
	return &elsewhere[i]
}

func (c command) session() *session {
	of := func(under bool) int {
		return slices.IndexFunc(sessions, func(s session) bool {
			return s.page == c.page && (under && slices.Contains(s.under, c.heading) || !under && s.under == nil)
		})
	}
	i := of(true)
	if i < 0 {
		i = of(false)
	}
	if i < 0 {
		return nil
	}
	return &sessions[i]
}

// run are the commands of a session.
func (s *session) run(t *testing.T) []command {
	t.Helper()
	var all []command
	for _, b := range allBlocks(t) {
		for _, c := range b.commands() {
			if c.session() == s && c.elsewhere() == nil && !strings.HasPrefix(c.text, "make ") {
				all = append(all, c)
			}
		}
	}
	return all
}

const marker = "\x01command "

var served = regexp.MustCompile(`registry serve (\S+)`)

// script are the commands, each after a line that says which it is.
func (s *session) script(all []command) string {
	replace := strings.NewReplacer(s.instead...)
	var text strings.Builder
	for i, c := range all {
		run := replace.Replace(c.text)
		if s.apart && i > 0 && all[i-1].block != c.block {
			fmt.Fprintln(&text, "next_machine")
		}
		fmt.Fprintf(&text, "printf '%s%d\\n'\n", marker, i)
		if strings.HasPrefix(run, "registry ipfs doctor") { // warnings of this machine
			run = strings.TrimSuffix(run, "\n") + " || [ $? -le 2 ]\n"
		}
		text.WriteString(run)
		if config := served.FindStringSubmatch(run); config != nil && strings.HasSuffix(strings.TrimSpace(run), "&") {
			fmt.Fprintf(&text, "until_ok is_ready %s\n", config[1])
		}
	}
	return text.String()
}

// TestSessions runs what the pages say, and compares the heads of tables with those on the page.
func TestSessions(t *testing.T) {
	needs(t)
	for i := range sessions {
		s := &sessions[i]
		t.Run(strings.TrimSuffix(filepath.Base(s.page), ".md")+"-"+s.begins, func(t *testing.T) {
			t.Parallel()
			all := s.run(t)
			if len(all) == 0 {
				t.Fatal("no command is left on the page")
			}
			dir := t.TempDir()
			commands := filepath.Join(dir, ".commands")
			if err := os.WriteFile(commands, []byte(s.script(all)), 0o600); err != nil {
				t.Fatal(err)
			}
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), *bound)
			defer stop()
			cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
				"bash", filepath.Join(here, "testdata", "session.sh"), absolute(t, *binary), absolute(t, *crane), filepath.Dir(here), s.begins, commands)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			parts := strings.Split(string(out), marker)
			if err != nil {
				at := "what is there before"
				if n := len(parts) - 2; n >= 0 {
					at = all[n].text
				}
				t.Fatalf("%v: %s%s", err, at, parts[len(parts)-1])
			}
			if len(parts) != len(all)+1 {
				t.Fatalf("%d of %d commands were run: %s", len(parts)-1, len(all), out)
			}
			for i, c := range all {
				compareHeads(t, c, parts[i+1])
			}
		})
	}
}

func needs(t *testing.T) {
	t.Helper()
	if *binary == "" {
		t.Skip("`make test-docs` runs this")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for the namespaces of a session")
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	if !filepath.IsAbs(name) { // from the repository, where make is
		name = filepath.Join(root, name)
	}
	name, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// head is the head of a table, or the name of a section.
var head = regexp.MustCompile(`^ *[A-Z]{2,}[A-Z ]*(  |$)`)

// sometimes are sections that a session has no reason for; tables of the commands' own tests have them.
var sometimes = []string{"REFUSED", "NAME PEER WHAT", "CONFLICTS", "NO ROOM", "NAME PEER COPIES WHAT TO DO", "WAITED FOR", "NAME PEER WHY"}

// compareHeads looks for the heads of the tables on a page in what the command said.
func compareHeads(t *testing.T, c command, said string) {
	t.Helper()
	if !strings.HasPrefix(c.text, "registry") {
		return
	}
	have := map[string]bool{}
	for line := range strings.Lines(said) {
		have[first(line)] = true
	}
	for line := range strings.Lines(c.output) {
		if !head.MatchString(line) || slices.Contains(sometimes, first(line)) {
			continue
		}
		if want := first(line); !have[want] {
			t.Errorf("%s, %s: %s says no %q, but\n%s", c.page, c.heading, strings.TrimSpace(c.text), want, said)
		}
	}
}

// first is the name of a section, or all of a table's head.
func first(line string) string {
	if strings.HasPrefix(line, " ") {
		return strings.Join(strings.Fields(line), " ")
	}
	name, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
	return name
}

// TestConfigurationsAreTaken: what a page writes into a configuration of the registry, the registry takes.
func TestConfigurationsAreTaken(t *testing.T) {
	needs(t)
	for _, b := range allBlocks(t) {
		var config map[string]any
		if b.language != "yaml" || yaml.Unmarshal([]byte(b.text), &config) != nil || config["storage"] == nil && config["http"] == nil {
			continue
		}
		storage, _ := config["storage"].(map[any]any)
		if storage == nil {
			storage = map[any]any{}
			config["storage"] = storage
		}
		ipfs, _ := storage["ipfs"].(map[any]any)
		if ipfs == nil {
			ipfs = map[any]any{}
			storage["ipfs"] = ipfs
		}
		dir := t.TempDir()
		config["version"] = "0.1"
		ipfs["datastorepath"], ipfs["protectorkeyfile"] = filepath.Join(dir, "data"), filepath.Join(dir, "swarm.key")
		text, err := yaml.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.yml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.CommandContext(t.Context(), absolute(t, *binary), "ipfs", "doctor", "--json", filepath.Join(dir, "config.yml")).Output()
		if !json.Valid(out) || bytes.Contains(out, []byte("config-unusable")) {
			t.Errorf("%s, %s: %s", b.page, b.heading, out)
		}
	}
}

var flagName = regexp.MustCompile(`(?:^|[\s\[])(--[a-z][a-z-]*)`)

// TestCommandsAreThere: each command of the registry that a page names is there, and takes the flags that
// the page gives it.
func TestCommandsAreThere(t *testing.T) {
	needs(t)
	helps := map[string]string{}
	spans := 0
	for name, content := range markdown(t) {
		for _, span := range codeSpan.FindAllString(fence.ReplaceAllString(content, ""), -1) {
			if text := strings.Join(strings.Fields(strings.Trim(span, "` ")), " "); strings.HasPrefix(text, "registry ") {
				checkCommand(t, helps, name, text)
				spans++
			}
		}
		for _, b := range blocks(name, content) {
			for _, c := range b.commands() {
				for text := range strings.SplitSeq(c.text, " | ") {
					text = strings.ReplaceAll(text, "-u registry", "") // who runs it
					if _, of, ok := strings.Cut(" "+text, " registry "); ok && !strings.Contains(text, "docker run") {
						checkCommand(t, helps, name, "registry "+of)
						spans++
					}
				}
			}
		}
	}
	if spans < 100 {
		t.Errorf("only %d commands were found", spans)
	}
}

func checkCommand(t *testing.T, helps map[string]string, page, text string) {
	t.Helper()
	words := strings.Fields(text)
	args := []string{}
	for _, w := range words[1:] {
		if !regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(w) || len(args) == 2 || len(args) == 1 && args[0] != "ipfs" && args[0] != "completion" {
			break
		}
		args = append(args, w)
	}
	name := strings.Join(args, " ")
	help, ok := helps[name]
	if !ok {
		out, err := exec.CommandContext(t.Context(), absolute(t, *binary), append(args, "--help")...).Output()
		if err != nil {
			t.Errorf("%s: %s: %v", page, text, err)
		}
		help = string(out)
		helps[name] = help
	}
	if !strings.Contains(help, "registry "+name) {
		t.Errorf("%s: there is no command registry %s", page, name)
	}
	for _, f := range flagName.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(help, f[1]+" ") && !strings.Contains(help, f[1]+"\n") {
			t.Errorf("%s: registry %s has no flag %s", page, name, f[1])
		}
	}
}
