package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// flip changes a bit in each blob of a registry, without a trace: what a run wrote or
// read before is found only by another run, or by verifying.
func (p *process) flip() (blobs int) {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.Data, "blobs", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			p.t.Fatal(err)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			p.t.Fatal(err)
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		at := len(content) / 2
		_, err = f.WriteAt([]byte{content[at] ^ 1}, int64(at))
		if err := f.Close(); err != nil {
			p.t.Error(err)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, info.ModTime()); err != nil {
			p.t.Fatal(err)
		}
	}
	return len(files)
}

// verify runs the command, and reads its JSON.
func (p *process) verify(image ...string) (v driver.Verification, code int, said string) {
	p.t.Helper()
	cmd := exec.Command(p.Binary, append([]string{"ipfs", "verify", "--json", p.Config}, image...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // its code says how it ended
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			p.t.Fatal(err)
		}
	}
	return v, cmd.ProcessState.ExitCode(), errs.String()
}

// TestFlippedBits in every blob of one registry of three, which the others mend, or a
// push, or nobody.
func TestFlippedBits(t *testing.T) {
	ps := swarm(t, 3, "fetchtimeout: 6s")
	img := push(t, ps[0], "a:1")
	content, path := layer(t, ps[0], 3*mib+5)
	pull(t, ps[1], "a:1", img)
	if got, _, err := body(ps[1], path); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("other bytes: %v", err)
	}
	await(t, "the second has all", func() bool { return ps[1].status().Blobs.Here == ps[0].status().Blobs.Here })

	t.Run("verify an image", func(t *testing.T) {
		blobs := ps[0].flip()
		v, code, said := ps[0].verify("a:1")
		if code != 0 || len(v.Findings) != blobs-1 || v.Unmended() != 0 || !v.Running {
			t.Errorf("it exits %d: %+v %s", code, v, said)
		}
		v, code, _ = ps[0].verify()
		if code != 0 || len(v.Findings) != 1 || v.Blobs < blobs {
			t.Errorf("the blob that the image has not: %d, %+v", code, v)
		}
		if v, code, _ = ps[0].verify(); code != 0 || len(v.Findings) != 0 {
			t.Errorf("then something is wrong still: %+v", v)
		}
	})
	t.Run("pull after a restart", func(t *testing.T) {
		if err := ps[0].Stop(); err != nil {
			t.Fatal(err)
		}
		ps[0].flip()
		ps[0].start()
		awaitAllConnected(t, ps)
		pull(t, ps[0], "a:1", img)
		requireRanges(t, ps[0], path, content)
		await(t, "all is mended", func() bool { return len(ps[0].status().Blobs.Damaged) == 0 })
	})
	t.Run("nobody has it", func(t *testing.T) { nobodyHasIt(t, ps, content, path) })
}

// requireRanges asks for parts of a blob, and for all of it unless it is the same.
func requireRanges(t *testing.T, p *process, path string, content []byte) {
	t.Helper()
	for _, part := range [][2]int{{2 * mib, len(content) - 1}, {5, 9}, {mib - 1, mib}, {0, len(content) - 1}} {
		req, err := http.NewRequest(http.MethodGet, "http://"+p.HTTP+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", part[0], part[1]))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		_, err = got.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got.Bytes(), content[part[0]:part[1]+1]) {
			t.Errorf("range %v: %s, %d bytes, %v", part, resp.Status, got.Len(), err)
		}
		tag := resp.Header.Get("ETag")
		req.Header.Del("Range")
		req.Header.Set("If-None-Match", tag)
		if resp, err = http.DefaultClient.Do(req); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if tag == "" || resp.StatusCode != http.StatusNotModified {
			t.Errorf("If-None-Match %q: %s", tag, resp.Status)
		}
	}
}

func nobodyHasIt(t *testing.T, ps []*process, content []byte, path string) {
	ps[1].Kill()
	ps[2].Kill()
	damagedFiles := ps[0].flip()
	v, code, said := ps[0].verify()
	if code != 1 || v.Unmended() != damagedFiles || !strings.Contains(said, "could not be mended") {
		t.Errorf("it exits %d: %+v %s", code, v, said)
	}
	s := ps[0].status()
	if len(s.Blobs.Damaged) != damagedFiles {
		t.Errorf("status names %v of %d", s.Blobs.Damaged, damagedFiles)
	}
	if code := head(t, ps[0], path, "reader"); code != http.StatusNotFound {
		t.Errorf("HEAD: %d", code)
	}
	resp, text := request(t, http.MethodGet, "http://"+ps[0].HTTP+path, nil)
	if resp.StatusCode < 500 || !strings.Contains(string(text), "damaged") {
		t.Errorf("GET: %s, %d bytes", resp.Status, len(text))
	}
	location := send(t, http.MethodPost, "http://"+ps[0].HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	d := path[strings.LastIndex(path, "/")+1:]
	send(t, http.MethodPut, location+"&digest="+d, content, http.StatusCreated)
	if got, code, err := body(ps[0], path); err != nil || code != http.StatusOK || !bytes.Equal(got, content) {
		t.Errorf("after it was pushed again: %d %v", code, err)
	}
	if n := len(ps[0].status().Blobs.Damaged); n != damagedFiles-1 {
		t.Errorf("status names %d of %d", n, damagedFiles-1)
	}
	if err := ps[0].Stop(); err != nil {
		t.Fatal(err)
	}
	v, code, said = ps[0].verify()
	if code != 1 || v.Running || v.Unmended() != damagedFiles-1 || !strings.Contains(said, "not running") {
		t.Errorf("on a stopped registry it exits %d: %+v %s", code, v, said)
	}
	ps[1].start()
	ps[0].start()
	await(t, "what is damaged is mended by itself", func() bool { return len(ps[0].status().Blobs.Damaged) == 0 })
}
