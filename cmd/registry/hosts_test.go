package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestHosts writes, prints and takes out the files of a containerd, and leaves what else is in them.
func TestHosts(t *testing.T) {
	p, root := newProcess(t), t.TempDir()
	certs := filepath.Join(root, "etc/containerd/certs.d")
	of := func(name string) string { return filepath.Join(certs, name, "hosts.toml") }
	const others = "[host.\"https://proxy.example.com\"]\n"
	if err := os.MkdirAll(filepath.Join(certs, "docker.io"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(of("docker.io"), []byte(others), 0o640); err != nil {
		t.Fatal(err)
	}
	run := func(want string, args ...string) {
		t.Helper()
		out, err := p.command(append([]string{"ipfs", "hosts", "--root", root, "--mirror", "http://127.0.0.1:5000/"}, args...)...).CombinedOutput()
		if failed := strings.HasPrefix(want, "registry: "); (err != nil) != failed || !strings.HasPrefix(strings.ReplaceAll(string(out), certs, ""), want) {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	content := func(name string) string {
		b, err := os.ReadFile(of(name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(b)
	}
	run("would write /docker.io/hosts.toml\n# BEGIN", "--upstream", "docker.io", "--dry-run")
	if content("docker.io") != others {
		t.Errorf("changed by a dry run:\n%s", content("docker.io"))
	}
	run("wrote /docker.io/hosts.toml\nwrote /a_5000_/hosts.toml\n", "--upstream", "docker.io", "--upstream", "a:5000")
	if is := content("docker.io"); !strings.Contains(is, "[host.\"http://127.0.0.1:5000\"]\n") || !strings.HasSuffix(is, "\n\n"+others) {
		t.Errorf("written is\n%s", is)
	}
	if info, err := os.Stat(of("docker.io")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is another: %v, %v", info, err)
	}
	run("unchanged /docker.io/hosts.toml\n", "--upstream", "docker.io")
	run("registry: ipfs hosts: ", "--upstream", "docker.io/library")
	run("would remove /a_5000_/hosts.toml\n", "--remove", "--dry-run", "--upstream", "a:5000")
	run("removed /a_5000_/hosts.toml\nwrote /docker.io/hosts.toml\n", "--remove")
	if is := content("docker.io"); is != others {
		t.Errorf("left is\n%s", is)
	}
	if entries, err := os.ReadDir(certs); err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

// TestHostsOfPodman writes and removes drop-ins, and refuses what Podman does not have.
func TestHostsOfPodman(t *testing.T) {
	p, root := newProcess(t), t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/containers"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "etc/containers/registries.conf.d/registry-ipfs-docker.io.conf")
	for _, c := range []struct {
		args []string
		want string // in what is said; "!": it fails so
	}{
		{[]string{"--upstream", "docker.io", "--dry-run"}, "would write " + file},
		{[]string{"--remove"}, ""},
		{[]string{"--upstream", "docker.io"}, "wrote " + file},
		{[]string{"--upstream", "docker.io"}, "unchanged " + file},
		{[]string{"--upstream", "_default"}, "!name each"},
		{[]string{"--upstream", "quay.io", "--mirror", "http://a/x"}, "!at / of a host"},
		{[]string{"--upstream", "quay.io", "--ca", "ca.pem"}, "![podman ca]"},
		{[]string{"--remove", "--dry-run"}, "would remove " + file},
		{[]string{"--remove"}, "removed " + file},
	} {
		out, err := p.command(append([]string{"ipfs", "hosts", "--podman", "--root", root}, c.args...)...).CombinedOutput()
		want, fails := strings.CutPrefix(c.want, "!")
		if (err != nil) != fails || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", c.args, err, out)
		}
		content, err := os.ReadFile(file)
		if strings.HasPrefix(c.want, "wrote") && !strings.Contains(string(content), "\nlocation = \""+p.HTTP+"\"\ninsecure = true\n") {
			t.Errorf("%v\n%s", err, content)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("left is %v", err)
	}
}

// TestHostsUntilStopped: what was written is taken out again when the command is told to end, and nothing else that
// is like it.
func TestHostsUntilStopped(t *testing.T) {
	p, dir := newProcess(t), t.TempDir()
	if out, err := p.command("ipfs", "hosts", "--dir", dir, "--upstream", "quay.io").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	held := p.command("ipfs", "hosts", "--dir", dir, "--upstream", "docker.io", "--until-stopped")
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "docker.io/hosts.toml")
	await(t, "it is written", func() bool { _, err := os.Stat(file); return err == nil })
	if err := held.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := held.Wait(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "quay.io" {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestHostsAfterAKill: one that was killed took nothing out. The next one takes out what it left for upstreams that
// are no longer named, and nothing of anybody else: another registry's mirrors stay.
func TestHostsAfterAKill(t *testing.T) {
	p, dir := newProcess(t), t.TempDir()
	file := func(of string) string { return filepath.Join(dir, of, "hosts.toml") }
	has := func(of string) bool { _, err := os.Stat(file(of)); return err == nil }
	const mine = "server = \"https://quay.io\"\n"
	for of, content := range map[string]string{
		"quay.io": mine, "k3s.example.com": "# File generated by k3s. DO NOT EDIT.\n",
		"broken.example.com": "# BEGIN registry ipfs hosts: `registry ipfs hosts --remove` takes this block out\n", // without its end
	} {
		if err := os.MkdirAll(filepath.Dir(file(of)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file(of), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(upstreams ...string) *exec.Cmd {
		held := p.command(append([]string{"ipfs", "hosts", "--dir", dir, "--until-stopped"}, upstreams...)...)
		if err := held.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = held.Process.Kill(); _ = held.Wait() })
		return held
	}
	await := func(of string) { await(t, of+" is written", func() bool { return has(of) }) }
	start("--mirror=http://127.0.0.1:59999", "--upstream=others.example.com")
	await("others.example.com")
	if said, err := p.command("ipfs", "hosts", "--dir", dir, "--upstream=for.good.example.com").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	killed := start("--upstream=docker.io", "--upstream=quay.io", "--upstream=ghcr.io")
	await("docker.io")
	await("ghcr.io")
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	next := start("--upstream=ghcr.io", "--upstream=gcr.io")
	await("gcr.io")
	for _, of := range []string{"others.example.com", "for.good.example.com"} {
		if !has(of) {
			t.Errorf("it has taken out %s", of)
		}
	}
	if is, err := os.ReadFile(file("quay.io")); has("docker.io") || !has("ghcr.io") || err != nil || string(is) != mine {
		t.Errorf("docker.io is there: %t, ghcr.io: %t, and quay.io is %q, %v", has("docker.io"), has("ghcr.io"), is, err)
	}
	if err := next.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := next.Wait(); err != nil || has("ghcr.io") || has("gcr.io") || !has("k3s.example.com") {
		t.Errorf("ends with %v; ghcr.io is there: %t, gcr.io: %t, that of k3s: %t", err, has("ghcr.io"), has("gcr.io"), has("k3s.example.com"))
	}
}

// TestHostsOfPodmanAfterAKill is the same for Podman.
func TestHostsOfPodmanAfterAKill(t *testing.T) {
	p, root := newProcess(t), t.TempDir()
	dir := filepath.Join(root, "etc/containers/registries.conf.d")
	has := func(of string) bool {
		_, err := os.Stat(filepath.Join(dir, "registry-ipfs-"+of+".conf"))
		return err == nil
	}
	hosts := func(args ...string) *exec.Cmd {
		return p.command(append([]string{"ipfs", "hosts", "--podman", "--root", root}, args...)...)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if said, err := hosts("--upstream=quay.io").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, of := range []string{"docker.io", "ghcr.io"} {
		held := hosts("--until-stopped", "--upstream="+of)
		if err := held.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, of+" is written", func() bool { return has(of) })
		if err := held.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = held.Wait()
	}
	if has("docker.io") || !has("quay.io") {
		t.Errorf("docker.io is there: %t, quay.io: %t", has("docker.io"), has("quay.io"))
	}
}
