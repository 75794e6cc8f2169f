package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFilesAreSyncedAroundTheirRename traces two registries: what becomes a blob is synced,
// before its rename or after it, what was fetched before it, and the directory after it.
func TestFilesAreSyncedAroundTheirRename(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap())
	a.traced(t)
	b.traced(t)
	a.start()
	b.start()
	img := push(t, a, "a:1")
	_, path := layer(t, a, 3*mib)
	await(t, "the blob is there for the other", func() bool {
		_, status, err := body(b, path)
		return err == nil && status == http.StatusOK
	})
	pull(t, b, "a:1", img)
	kinds := map[string]int{}
	for _, p := range []*process{a, b} {
		checkSyncs(t, p.calls(t), kinds)
	}
	if kinds["upload"] < 5 || kinds["put"] < 3 || kinds["fetched"] < 4 { // put: what is fetched and has one leaf, too
		t.Errorf("these became blobs: %v", kinds)
	}
}

// traced has the registry run with its syncs and renames written to a file.
func (p *process) traced(t *testing.T) {
	t.Helper()
	p.Exec = under("strace", "-D", "-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2",
		"-o", filepath.Join(p.Dir, "calls"))
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("nobody sees the syncs, which takes strace: %v %s", err, out)
	}
}

// calls ends the registry and gives what was traced.
func (p *process) calls(t *testing.T) []string {
	t.Helper()
	pid := p.PID()
	_ = p.Stop()
	ended := regexp.MustCompile(`(?m)^` + strconv.Itoa(pid) + ` +\+\+\+ exited`)
	var text []byte
	await(t, "the trace ends", func() bool {
		text, _ = os.ReadFile(filepath.Join(p.Dir, "calls"))
		return ended.Match(text)
	})
	return strings.Split(string(text), "\n")
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(f(?:data)?sync|rename\w*)\((.*)`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>`)
	fdPath      = regexp.MustCompile(`^\d+<(.*?)>`)
	renamePaths = regexp.MustCompile(`"([^"]*)".*"([^"]*)"`)
)

// checkSyncs goes through the calls in order. A sync before a rename counts
// from its end, and one after a rename from its start.
func checkSyncs(t *testing.T, lines []string, kinds map[string]int) {
	t.Helper()
	synced, under, waiting := map[string]bool{}, map[string]string{}, map[string]string{}
	unsynced := map[string]string{} // what has its name in blobs, from where it came
	for _, line := range lines {
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			synced[under[m[1]]] = true
			continue
		}
		m := callLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if paths := renamePaths.FindStringSubmatch(m[3]); paths != nil {
			if from, dir := paths[1], filepath.Dir(paths[2]); filepath.Base(dir) == "blobs" {
				kinds[kindOf(from)]++
				switch {
				case synced[from]:
				case kindOf(from) == "fetched":
					t.Errorf("%s, which is as long as the blob from the beginning, became one before it was synced", from)
				default:
					unsynced[paths[2]] = from
				}
				waiting[from] = dir
			}
			continue
		}
		if path := fdPath.FindStringSubmatch(m[3]); path != nil {
			for from, dir := range waiting {
				if dir == path[1] {
					delete(waiting, from)
				}
			}
			delete(unsynced, path[1])
			if under[m[1]] = path[1]; !strings.Contains(line, "<unfinished") {
				synced[path[1]] = true
			}
		}
	}
	for to, from := range unsynced {
		t.Errorf("%s became %s and was never synced", from, to)
	}
	for from := range waiting {
		t.Errorf("nothing synced the directory after %s became a blob", from)
	}
}

// kindOf says how a file came.
func kindOf(file string) string {
	switch {
	case strings.Contains(file, "/_uploads/"):
		return "upload"
	case strings.HasPrefix(filepath.Base(file), ".blob-put-"):
		return "put"
	}
	return "fetched"
}
