package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// completes is what a shell is offered for a command line whose last word is being typed, and the
// directive that follows it.
func completes(t *testing.T, env []string, line ...string) (offered []string, directive string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"__complete"}, line...)...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v %s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[:len(lines)-1], lines[len(lines)-1]
}

// What a shell does with what it is offered (cobra.ShellCompDirective).
const (
	noFiles   = ":4"
	filesOnly = ":8"
)

// TestCommandsCompleteTheirConfiguration, each that takes one.
func TestCommandsCompleteTheirConfiguration(t *testing.T) {
	for _, command := range []string{"serve", "garbage-collect", "ipfs id", "ipfs status", "ipfs doctor", "ipfs forget", "ipfs drain", "ipfs undrain",
		"ipfs verify", "ipfs where", "ipfs du", "ipfs diff", "ipfs transfers", "ipfs trace"} {
		offered, directive := completes(t, nil, append(strings.Fields(command), "")...)
		if directive != filesOnly || !slices.Equal(offered, []string{"yml", "yaml"}) {
			t.Errorf("%s: %q %s", command, offered, directive)
		}
	}
	if offered, directive := completes(t, nil, "ipfs", "keygen", ""); directive != noFiles || len(offered) > 0 {
		t.Errorf("keygen takes nothing, and is offered %q %s", offered, directive)
	}
	if offered, directive := completes(t, nil, "ipfs", "forget", "/nowhere.yml", ""); directive != noFiles || len(offered) > 0 {
		t.Errorf("of no registry: %q %s", offered, directive)
	}
}

// TestForgetCompletesMembersThatAreAway, whether an argument or the environment names the configuration.
func TestForgetCompletesMembersThatAreAway(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key, "name: attic")
	b, c := newProcess(t, key, a.bootstrap(), "name: barn"), newProcess(t, key, a.bootstrap(), "name: cellar")
	ps := []*process{a, b, c}
	for _, p := range ps {
		p.start()
	}
	awaitAllConnected(t, ps)
	push(t, b, "a:1") // else it is of no use, and not missed
	await(t, "its name is known", func() bool {
		return slices.ContainsFunc(a.status().Members, func(m driver.Member) bool { return m.Name == "barn" })
	})
	b.Kill()
	await(t, "it is away", func() bool {
		return slices.ContainsFunc(a.status().Members, func(m driver.Member) bool { return m.Name == "barn" && !m.Connected })
	})
	for begin, want := range map[string]string{"": "a:", "a": "a:", "a:": "a:1\tsha256:", "a:1": "a:1\tsha256:"} {
		for _, command := range []string{"where", "trace", "diff", "du", "verify"} {
			offered, _ := completes(t, nil, "ipfs", command, a.Config, begin)
			if len(offered) != 1 || !strings.HasPrefix(offered[0], want) {
				t.Errorf("%s %q: %q", command, begin, offered)
			}
		}
	}
	for begin, want := range map[string][]string{"": {"a"}, "a": {"a"}, "b": {}} {
		if offered, directive := completes(t, nil, "ipfs", "log", a.Config, "--repository", begin); !slices.Equal(offered, want) || directive != noFiles {
			t.Errorf("log --repository %q: %q %s", begin, offered, directive)
		}
	}
	named := []string{"REGISTRY_CONFIGURATION_PATH=" + a.Config}
	for _, line := range [][]string{{a.Config, ""}, {a.Config, "ba"}} {
		offered, directive := completes(t, nil, append([]string{"ipfs", "forget"}, line...)...)
		if len(offered) != 1 || !strings.HasPrefix(offered[0], "barn\tlost ") || directive != noFiles {
			t.Errorf("%q: %q %s", line, offered, directive)
		}
	}
	if offered, _ := completes(t, named, "ipfs", "forget", ""); len(offered) != 1 || !strings.HasPrefix(offered[0], "barn\t") {
		t.Errorf("where the environment names it: %q", offered)
	}
	for _, line := range [][]string{{a.Config, "c"}, {a.Config, "barn", ""}} {
		if offered, _ := completes(t, nil, append([]string{"ipfs", "forget"}, line...)...); len(offered) > 0 {
			t.Errorf("%q: %q", line, offered)
		}
	}
}

// TestShellsReadTheirCompletions, those that are installed.
func TestShellsReadTheirCompletions(t *testing.T) {
	for shell, check := range map[string]string{"bash": "bash -n", "zsh": "zsh -n", "fish": "fish --no-execute", "powershell": "pwsh -NoProfile -Command -"} {
		script, err := exec.CommandContext(t.Context(), binary, "completion", shell).Output()
		if err != nil || len(script) == 0 {
			t.Errorf("%s: %v", shell, err)
			continue
		}
		words := strings.Fields(check)
		if _, missing := exec.LookPath(words[0]); missing != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Stdin = bytes.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}
