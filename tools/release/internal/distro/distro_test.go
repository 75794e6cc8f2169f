package distro

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const assets = "../../../../deploy/package"

// made makes both packages of a small binary.
func made(t *testing.T, arch, variant string) (debian, rpm string) {
	t.Helper()
	dir, out := t.TempDir(), t.TempDir()
	for _, name := range []string{"registry", "sbom", "LICENSE", "man/registry.1", "completion/registry.bash", "completion/_registry", "completion/registry.fish", "CHANGES.md"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := Package{
		Name: "distribution-ipfs", Version: "v0.1.0", Arch: arch, Variant: variant, Date: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
		Binary: filepath.Join(dir, "registry"), Parts: filepath.Join(dir, "sbom"), License: filepath.Join(dir, "LICENSE"), Shared: dir, Assets: assets,
	}
	if err := Write(out, p); err != nil {
		t.Fatal(err)
	}
	return only(t, out, "*.deb"), only(t, out, "*.rpm")
}

func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// said is what a program says, or the test is skipped where there is no such program.
func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("WITHOUT %s", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// installed is what both packages bring, with its mode.
var installed = map[string]string{
	"/etc/registry/":                                     "drwxr-xr-x",
	"/etc/registry/config.yml":                           "-rw-r--r--",
	"/usr/bin/registry":                                  "-rwxr-xr-x",
	"/usr/lib/systemd/system/registry.service":           "-rw-r--r--",
	"/usr/share/bash-completion/completions/registry":    "-rw-r--r--",
	"/usr/share/fish/vendor_completions.d/registry.fish": "-rw-r--r--",
	"/usr/share/man/man1/registry.1.gz":                  "-rw-r--r--",
	"/usr/share/doc/distribution-ipfs/copyright":         "-rw-r--r--",
	"/usr/share/doc/distribution-ipfs/changelog.gz":      "-rw-r--r--",
	"/usr/share/doc/distribution-ipfs/sbom.spdx.json":    "-rw-r--r--",
}

func TestDebian(t *testing.T) {
	debian, _ := made(t, "amd64", "")
	if got := filepath.Base(debian); got != "distribution-ipfs_0.1.0-1_amd64.deb" {
		t.Errorf("it is called %s", got)
	}
	fields := said(t, "dpkg-deb", "--field", debian)
	for _, want := range []string{"Package: distribution-ipfs\n", "Version: 0.1.0-1\n", "Architecture: amd64\n", "Depends: passwd\n"} {
		if !strings.Contains(fields, want) {
			t.Errorf("no %q in\n%s", want, fields)
		}
	}
	listed := map[string]string{}
	for line := range strings.Lines(said(t, "dpkg-deb", "--contents", debian)) {
		if f := strings.Fields(line); f[1] != "root/root" {
			t.Errorf("not root's: %s", line)
		} else {
			listed[strings.TrimPrefix(f[5], ".")] = f[0]
		}
	}
	for path, mode := range installed {
		if listed[path] != mode {
			t.Errorf("%s: %q, want %q", path, listed[path], mode)
		}
	}
	control := t.TempDir()
	said(t, "dpkg-deb", "--control", debian, control)
	conffiles, err := os.ReadFile(filepath.Join(control, "conffiles"))
	if err != nil || strings.TrimSpace(string(conffiles)) != "/etc/registry/config.yml" {
		t.Errorf("what an upgrade asks about is %q, %v", conffiles, err)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if info, err := os.Stat(filepath.Join(control, script)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", script, info, err)
		}
	}
}

func TestRPM(t *testing.T) {
	_, rpm := made(t, "amd64", "")
	if got := filepath.Base(rpm); got != "distribution-ipfs-0.1.0-1.x86_64.rpm" {
		t.Errorf("it is called %s", got)
	}
	listed := said(t, "rpm", "-qp", "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]", rpm)
	for path, mode := range installed {
		if want := mode + " root " + strings.TrimSuffix(path, "/") + "\n"; !strings.Contains(listed, want) {
			t.Errorf("no %q in\n%s", want, listed)
		}
	}
	if config := said(t, "rpm", "-qp", "--configfiles", rpm); config != "/etc/registry/config.yml\n" {
		t.Errorf("what an upgrade keeps is %q", config)
	}
	if built := said(t, "rpm", "-qp", "--queryformat", "%{BUILDHOST} %{BUILDTIME}", rpm); built != "localhost 1795867200" {
		t.Errorf("built %s: another machine makes another package", built)
	}
	scripts := said(t, "rpm", "-qp", "--scripts", rpm)
	for _, want := range []string{"postinstall", "preuninstall", "postuninstall"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("no %s in\n%s", want, scripts)
		}
	}
}

func TestArchitecturesAsTheyAreCalledThere(t *testing.T) {
	for _, c := range []struct{ arch, variant, debian, rpm string }{
		{"amd64", "", "amd64", "x86_64"}, {"arm64", "", "arm64", "aarch64"}, {"arm", "v7", "armhf", "armv7hl"}, {"riscv64", "", "riscv64", "riscv64"},
	} {
		debian, rpm := made(t, c.arch, c.variant)
		if !strings.HasSuffix(debian, "_"+c.debian+".deb") || !strings.HasSuffix(rpm, "."+c.rpm+".rpm") {
			t.Errorf("%s%s: %s and %s", c.arch, c.variant, filepath.Base(debian), filepath.Base(rpm))
		}
	}
}

func TestLintian(t *testing.T) {
	debian, _ := made(t, "amd64", "")
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Skip("WITHOUT lintian")
	}
	var unknown []string
	out, _ := exec.CommandContext(t.Context(), "lintian", "--no-cfg", "--allow-root", "--tag-display-limit=0", "--fail-on=none", debian).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "E:" && !slices.Contains(allowed, f[2]) {
			unknown = append(unknown, line)
		}
	}
	if len(unknown) > 0 {
		t.Errorf("lintian:\n%s", strings.Join(unknown, ""))
	}
}

// allowed are what changes in Debian's own packaging, of which there is none, and the question of postrm,
// which debconf would show to nobody once the package is gone.
var allowed = []string{"debian-changelog-file-missing-or-wrong-name", "read-in-maintainer-script"}

// TestTheUnitIsHardened: 2.5 of 10 are what the service may be exposed to at most.
func TestTheUnitIsHardened(t *testing.T) {
	unit := filepath.Join(assets, "registry.service")
	said(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", unit)
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"User=registry", "StateDirectory=registry", "StateDirectoryMode=0700", "LimitNOFILE=65536",
		"ExecStart=/usr/bin/registry serve /etc/registry/config.yml", `ExecReload=/bin/sh -c "kill -HUP $MAINPID"`} {
		if !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("no %s in the unit", want)
		}
	}
}

func TestScriptsAreShell(t *testing.T) {
	for _, pattern := range []string{"deb/*", "rpm/*"} {
		scripts, err := filepath.Glob(filepath.Join(assets, pattern))
		if err != nil || len(scripts) != 3 {
			t.Fatal(scripts, err)
		}
		for _, s := range scripts {
			said(t, "sh", "-n", s)
		}
	}
}
