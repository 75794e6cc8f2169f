package distro

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPurgeAsks: images and keys are deleted when somebody at a terminal says so, and else never.
func TestPurgeAsks(t *testing.T) {
	for _, c := range []struct {
		name, action, answer string
		terminal             bool
		environment          string
		kept                 bool
	}{
		{"no terminal", "purge", "y\n", false, "", true},
		{"nobody is to be asked", "purge", "y\n", true, "DEBIAN_FRONTEND=noninteractive", true},
		{"no", "purge", "n\n", true, "", true},
		{"enter", "purge", "\n", true, "", true},
		{"yes", "purge", "y\n", true, "", false},
		{"not purged", "remove", "y\n", true, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			image := filepath.Join(root, "var", "lib", "registry", "ipfs", "blob")
			if err := os.MkdirAll(filepath.Dir(image), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(image, []byte("an image"), 0o600); err != nil {
				t.Fatal(err)
			}
			script, err := filepath.Abs(filepath.Join(assets, "deb", "postrm"))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "sh", script, c.action)
			if c.terminal {
				terminal, err := exec.LookPath("script")
				if err != nil {
					t.Skip("WITHOUT script")
				}
				cmd = exec.CommandContext(t.Context(), terminal, "--quiet", "--return", "--command", "sh "+script+" "+c.action, os.DevNull)
			}
			cmd.Env = append(os.Environ(), "DPKG_ROOT="+root, "DEBIAN_FRONTEND=", c.environment)
			cmd.Stdin = strings.NewReader(c.answer)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if _, err := os.Stat(image); (err == nil) != c.kept {
				t.Errorf("kept: %v, want %v\n%s", err == nil, c.kept, out)
			}
			if told := strings.Contains(string(out), "is left as it is"); c.action == "purge" && told != c.kept {
				t.Errorf("it says that it keeps them: %v\n%s", told, out)
			}
		})
	}
}
