package main_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestBackupAndRestore: a registry is killed while it is backed up, which leaves the earlier backup, and is
// backed up anew. Its disk is lost, and restored as itself.
func TestBackupAndRestore(t *testing.T) {
	ps := swarm(t, 2)
	dir, images := t.TempDir(), map[string]v1.Image{}
	push := func(of string) { images[of] = pushTo(t, ps[0].HTTP, of, 5<<20) }
	push("a:1")
	text, err := ps[0].afterConfig("backup", dir).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "BACKED UP") || !strings.Contains(string(text), "there already: 0 blobs") {
		t.Fatalf("%v: %s", err, text)
	}
	first, err := os.ReadFile(filepath.Join(dir, "backup.json"))
	if err != nil {
		t.Fatal(err)
	}
	push("a:2")
	push("a:3")
	cut := ps[0].afterConfig("backup", dir)
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cut.Wait() }()
	await(t, "the second map is begun", func() bool {
		maps, err := filepath.Glob(filepath.Join(dir, "map-*"))
		return err == nil && len(maps) > 1 || len(ended) > 0
	})
	ps[0].Kill()
	if err := <-ended; err == nil {
		t.Log("the backup ended before its registry was killed")
	} else if now, err := os.ReadFile(filepath.Join(dir, "backup.json")); err != nil || string(now) != string(first) {
		t.Errorf("the earlier backup is gone: %v", err)
	}
	id := ps[0].bootstrap()
	text, err = ps[0].afterConfig("backup", dir).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "is not running") {
		t.Fatalf("%v: %s", err, text)
	}
	text, err = ps[0].afterConfig("restore", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(text), "not empty") {
		t.Errorf("into a registry's datastore: %v: %s", err, text)
	}
	lost := ps[0].Data
	if err := os.RemoveAll(lost); err != nil {
		t.Fatal(err)
	}
	text, err = ps[0].afterConfig("restore", dir).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "RESTORED  to "+lost) {
		t.Fatalf("%v: %s", err, text)
	}
	ps[0].start()
	if now := ps[0].bootstrap(); now[strings.LastIndex(now, "/"):] != id[strings.LastIndex(id, "/"):] {
		t.Errorf("it was %s, and is %s", id, now)
	}
	ps[1].awaitMap(t, ps[0])
	for of, img := range images {
		pull(t, ps[1], of, img)
	}
}

// TestBackupAsATar, in a file and from program to program: what comes with it is on standard error.
func TestBackupAsATar(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	img := push(t, p, "a:1")
	file := filepath.Join(t.TempDir(), "backup.tar")
	text, err := p.afterConfig("backup", file).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "BACKED UP  to "+file) {
		t.Fatalf("%v: %s", err, text)
	}
	var stream, said bytes.Buffer
	out := p.afterConfig("backup", "-")
	out.Stdout, out.Stderr = &stream, &said
	if err := out.Run(); err != nil || !strings.Contains(said.String(), "BACKED UP  to standard output") {
		t.Fatalf("%v: %s", err, said.String())
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	p.Kill()
	for from, in := range map[string]io.Reader{file: nil, "-": &stream} {
		if err := os.RemoveAll(p.Data); err != nil {
			t.Fatal(err)
		}
		cmd := p.afterConfig("restore", from)
		cmd.Stdin = in
		if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "RESTORED  to "+p.Data) {
			t.Fatalf("%s: %v: %s", from, err, text)
		}
	}
	p.start()
	pull(t, p, "a:1", img)
}
