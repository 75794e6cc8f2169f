package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestARegistryIsSwitchedOffByOneCommand: after `drain --wait` its disk may be wiped, and its images
// are pulled from the others.
func TestARegistryIsSwitchedOffByOneCommand(t *testing.T) {
	ps := swarm(t, 3, "replicas: 1", "repairdelay: 4s")
	leaves := ps[2]
	images := map[string]v1.Image{}
	for _, name := range []string{"a:1", "b:1", "b:2"} {
		images[name] = push(t, leaves, name)
	}
	await(t, "all have heard of them", func() bool {
		digest := leaves.status().Map.Digest
		return ps[0].status().Map.Digest == digest && ps[1].status().Map.Digest == digest
	})
	out, err := leaves.command("ipfs", "drain", "--wait", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var d driver.DrainState
	if err := json.Unmarshal(out, &d); err != nil || !d.Done || d.Here.Blobs == 0 || d.Merged != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	text, err := leaves.command("ipfs", "drain").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "may be switched off for good") || !strings.Contains(string(text), "ipfs forget") {
		t.Errorf("%s, %v", text, err)
	}
	send(t, http.MethodPost, "http://"+leaves.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusServiceUnavailable)
	if text, err := leaves.command("ipfs", "status").Output(); err != nil || !strings.Contains(string(text), "draining") {
		t.Errorf("%s, %v", text, err)
	}
	leaves.Kill()
	if err := os.RemoveAll(leaves.Dir); err != nil {
		t.Fatal(err)
	}
	for name, img := range images {
		pull(t, ps[0], name, img)
		pull(t, ps[1], name, img)
	}
}

// TestTheLastThatStaysIsReady: who was drained and has left is forgotten, so that the last one, which
// its bootstrappers lead to alone, is no registry that misses others, also after a restart. Of one
// that left otherwise it may lack something.
func TestTheLastThatStaysIsReady(t *testing.T) {
	ps := swarm(t, 2, "replicas: 1", "alonetimeout: 1s")
	stays, leaves := ps[0], ps[1]
	img := push(t, leaves, "a:1")
	addr, _, _ := strings.Cut(strings.TrimPrefix(stays.bootstrap(), "bootstrappers: "), "/p2p/")
	stays.Env = append(stays.Env, "REGISTRY_STORAGE_IPFS_BOOTSTRAPPERS="+addr)
	drain := func() {
		t.Helper()
		if out, err := leaves.command("ipfs", "drain", "--wait").CombinedOutput(); err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		await(t, "it said so", func() bool {
			ms := stays.status().Members
			return len(ms) == 1 && ms[0].Drained
		})
	}
	drain()
	leaves.Kill()
	await(t, "it is forgotten", func() bool { return len(stays.status().Members) == 0 })
	stays.Kill()
	stays.start()
	await(t, "the last one is ready", func() bool { return len(stays.status().NotReady) == 0 })
	pull(t, stays, "a:1", img)

	leaves.start() // and stays after all
	awaitAllConnected(t, ps)
	if out, err := leaves.command("ipfs", "undrain").CombinedOutput(); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	push(t, leaves, "a:2")
	leaves.Kill()
	await(t, "it is away", func() bool { return len(stays.status().Members) == 1 && !stays.status().Members[0].Connected })
	stays.Kill()
	stays.start()
	await(t, "the other one is missed", func() bool { return stays.status().Phase == "alone" })
}

// TestWaitingForADrainSaysWhy it does not get on, once.
func TestWaitingForADrainSaysWhy(t *testing.T) {
	p := newProcess(t, keygen(t), "replicas: 1").start()
	push(t, p, "a:1")
	log, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	waits := p.command("ipfs", "drain", "--wait")
	waits.Stderr = log
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	said := func(text string) int {
		out, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(out), text)
	}
	await(t, "it says why", func() bool { return said("no other registry keeps blobs") > 0 })
	await(t, "it goes on", func() bool { return said("handed on") > 1 })
	if n := said("no other registry keeps blobs"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
	if err := waits.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = waits.Wait() // it was interrupted
}

// TestUndrain lets a registry stay.
func TestUndrain(t *testing.T) {
	ps := swarm(t, 2, "replicas: 1", "repairdelay: 4s")
	if out, err := ps[0].command("ipfs", "drain").CombinedOutput(); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	if !ps[0].status().Copies.Draining {
		t.Error("it is not being drained")
	}
	ps[0].Kill()
	ps[0].start()
	if log, err := os.ReadFile(ps[0].Log); err != nil || !strings.Contains(line(string(log), "level=warning msg=\"this registry is being drained"), "ipfs drain") {
		t.Errorf("it starts without a warning: %v", err)
	}
	if out, err := ps[0].command("ipfs", "undrain").CombinedOutput(); err != nil || !strings.Contains(string(out), "stays") {
		t.Fatalf("%s, %v", out, err)
	}
	if ps[0].status().Copies.Draining {
		t.Error("it is being drained")
	}
	push(t, ps[0], "a:1")

	if out, err := ps[0].command("ipfs", "drain").CombinedOutput(); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	ps[0].Kill()
	ps[0].Exec = func(name string, args ...string) *exec.Cmd { return exec.Command(name, append(args, "--undrain")...) }
	ps[0].start()
	if ps[0].status().Copies.Draining {
		t.Error("it is being drained, though it was started to stay")
	}
}
