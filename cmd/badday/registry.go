package main

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/disk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// newRegistry configures a registry whose data lies on a disk, and its log elsewhere.
func newRegistry(o options, dir string, d *disk.Disk) (*process.Registry, error) {
	r := &process.Registry{
		Name: "on " + d.Kind, Binary: o.registry, Dir: filepath.Join(dir, d.Kind+"-registry"), Data: filepath.Join(d.Path, "data"),
		Env: []string{"REGISTRY_LOG_LEVEL=warn"}, Exec: ofItsOwn,
	}
	return r, r.Configure("protectorkeyfile: " + filepath.Join(dir, "swarm.key"))
}

// ofItsOwn runs the registry in a process group of its own, because an interrupt is for this
// process, and has it end when this process does.
func ofItsOwn(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// client talks to one registry process: a connection to the previous one is of no use.
func client() *http.Client {
	return &http.Client{
		Timeout:   40 * time.Second,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 16},
	}
}
