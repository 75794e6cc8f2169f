package main_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// small puts a registry's data on a disk of its own, which needs root, and gives the
// function that fills it to the last byte.
func small(t *testing.T, p *process) (fill func()) {
	t.Helper()
	data := p.Data
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("test", data, "tmpfs", 0, "size=256m"); err != nil {
		t.Skip("no tmpfs: ", err)
	}
	t.Cleanup(func() {
		p.Kill()
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return func() {
		f, err := os.Create(filepath.Join(data, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		for buf := make([]byte, 4096); err == nil; {
			_, err = f.Write(buf)
		}
		if err := errors.Join(f.Close(), checkFull(err)); err != nil {
			t.Fatal(err)
		}
	}
}

func checkFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

// TestSIGTERMOnAFullDisk ends the registry, with status 0 and no more than one line of what
// is wrong. What it was pushed is there when it starts again, on the full disk.
func TestSIGTERMOnAFullDisk(t *testing.T) {
	p := newProcess(t, keygen(t))
	fill := small(t, p)
	p.start()
	content, path := layer(t, p, mib)
	fill()
	before, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
	after, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	said := string(after[len(before):])
	if n := strings.Count(said, "level=") - strings.Count(said, "level=info"); n > 1 || !strings.Contains(said, "storage is closed") {
		t.Errorf("%d lines: %s", n, said)
	}
	p.start()
	if got, status, err := body(p, path); err != nil || status != http.StatusOK || !bytes.Equal(got, content) {
		t.Errorf("after the start: %d, %d bytes, %v", status, len(got), err)
	}
}

// TestStatusNamesAStream: a registry whose disk is full names the blob that it streams to
// a client which has begun to read.
func TestStatusNamesAStream(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key).start()
	b := newProcess(t, key, a.bootstrap())
	fill := small(t, b)
	b.start()
	content, path := layer(t, a, 24*mib)
	await(t, "the blob is known, and a is a member", func() bool {
		s := b.status()
		return s.Blobs.Missing == 1 && len(s.Members) == 1 && s.Members[0].Connected
	})
	fill()
	resp, err := http.Get("http://" + b.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	s := b.status()
	if len(s.Transfers.Running) != 1 || s.Transfers.Active != 1 || !s.Transfers.Running[0].Streamed {
		t.Fatalf("%+v", s.Transfers)
	}
	row := strings.Join(b.statusLines(t), "\n")
	if !strings.Contains(row, s.Transfers.Running[0].CID) || !strings.Contains(row, "MiB streamed") {
		t.Error(row)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
