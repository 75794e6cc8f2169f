package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const checkout = "../.."

// program stands for the registry: it is built in a moment, and says what release asks the registry for.
const program = `package main

import (
	"fmt"
	"os"
)

func main() {
	if os.Args[1] == "man" {
		if err := os.WriteFile(os.Args[2]+"/registry.1", []byte(".TH REGISTRY 1\n"), 0o644); err != nil {
			panic(err)
		}
		return
	}
	fmt.Println("# completion of", os.Args[2])
}
`

// fake makes a checkout of a registry in which nothing takes long.
func fake(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "deploy", "package"), os.DirFS(filepath.Join(checkout, "deploy", "package"))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": "module example.org/fake\n\ngo 1.26.0\n", "cmd/registry/main.go": program,
		"LICENSE": "Apache-2.0\n", "README.md": "# fake\n", "config.example.yml": "version: 0.1\n",
		"changelog/v0.1.0.md": "## v0.1.0 (2026-11-30)\n\n### Added\n\n- All of it.\n",
	} {
		if err := write(filepath.Join(root, name), text); err != nil {
			t.Fatal(err)
		}
	}
	git(t, root, "init", "--quiet")
	git(t, root, "add", ".")
	git(t, root, "commit", "--quiet", "--message", "All of it")
	return root
}

func git(t *testing.T, root string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_DATE=2026-11-28T14:00:00+02:00")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

// made makes a release of a checkout for this machine, and returns where it is.
func made(t *testing.T, root string) (out string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("packages are made for Linux")
	}
	r := &release{root: root, out: filepath.Join(t.TempDir(), "dist"), version: "v0.1.0"}
	var err error
	if r.targets, err = parseTargets(runtime.GOOS + "/" + runtime.GOARCH); err != nil {
		t.Fatal(err)
	}
	if err := r.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.out
}

func TestTheSameTwice(t *testing.T) {
	root := fake(t)
	once, err := os.ReadFile(filepath.Join(made(t, root), "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "elsewhere") // files there have other dates
	git(t, root, "clone", "--quiet", root, copied)
	dir := made(t, copied)
	again, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(once, again) {
		t.Errorf("two releases of one commit differ:\n%s\n%s", once, again)
	}
	for _, suffix := range []string{".tar.gz", ".spdx.json", ".deb", ".rpm", "CHANGES.md"} {
		if !strings.Contains(string(again), suffix+"\n") {
			t.Errorf("no %s in\n%s", suffix, again)
		}
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

func TestTheArchiveHasAllThatIsNeeded(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(made(t, fake(t)), "*.tar.gz"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	f, err := os.Open(all[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(h.Name, strings.TrimSuffix(filepath.Base(all[0]), ".tar.gz")+"/"))
		if date := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC); !h.ModTime.Equal(date) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s: of %v, user %d (%s): the date is the commit's, and the owner nobody's", h.Name, h.ModTime, h.Uid, h.Uname)
		}
		if want := int64(0o644); h.Name[len(h.Name)-len("/registry"):] != "/registry" && h.Mode != want {
			t.Errorf("%s: mode %o", h.Name, h.Mode)
		}
	}
	want := []string{
		"CHANGES.md", "LICENSE", "README.md", "completion/_registry", "completion/registry.bash", "completion/registry.fish",
		"config.example.yml", "man/registry.1", "registry", "registry.service", "sbom.spdx.json",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

func TestWhatIsNotCommittedIsNotReleased(t *testing.T) {
	root := fake(t)
	if err := write(filepath.Join(root, "README.md"), "# changed\n"); err != nil {
		t.Fatal(err)
	}
	r := &release{root: root, out: filepath.Join(t.TempDir(), "dist"), version: "v0.1.0"}
	if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), "README.md") {
		t.Errorf("error %v, which should name the file", err)
	}
}

func TestNoOtherDirectoryIsEmptied(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := write(mine, "text"); err != nil {
		t.Fatal(err)
	}
	if err := empty(dir); err == nil {
		t.Error("a directory with other files was emptied")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	dist := filepath.Join(dir, "dist")
	for range 2 {
		if err := empty(dist); err != nil {
			t.Error(err)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	here := runtime.GOOS + "/" + runtime.GOARCH
	for _, names := range []string{"", "plan9/amd64", "windows/amd64", "linux/arm", here + "," + here, "darwin/arm64,darwin/amd64"} {
		if all, err := parseTargets(names); err == nil && !slices.ContainsFunc(all, target.here) {
			t.Errorf("%q: %v, and no error", names, all)
		}
	}
	for version, right := range map[string]bool{"v0.1.0": true, "v1.2.3-rc.1": true, "0.1.0": false, "v0.1": false, "": false, "v0.1.0+dirty": false, "v0.1.0 -X a=b": false} {
		if err := checkVersion(version); (err == nil) != right {
			t.Errorf("%q: %v", version, err)
		}
	}
}
