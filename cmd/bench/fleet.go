package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// fleet is what is compared: upstream's filesystem driver, and two registries
// that share their storage.
type fleet struct{ fs, a, b *registry }

type registry struct {
	name, http, contentType string
	cmd                     *exec.Cmd
	client                  *http.Client

	anon          *atomic.Uint64 // the most bytes of anonymous memory seen
	done, watched chan struct{}
}

const fsConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, draintimeout: 5s, secret: bench}
`

const ipfsConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {ipfs: {datastorepath: %s, protectorkey: "%s", listenaddrs: %s, bootstrappers: %q}}
http: {addr: %s, draintimeout: 5s}
`

func startFleet(ctx context.Context, binary, dir string) (f *fleet, err error) {
	f = &fleet{}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.stop())
		}
	}()
	key, err := exec.CommandContext(ctx, binary, "ipfs", "keygen").Output()
	if err != nil {
		return f, err
	}
	var addrs [5]string
	for i := range addrs {
		if addrs[i], err = loopback.FreeAddr(); err != nil {
			return f, err
		}
	}
	config := func(name, text string) string {
		path := filepath.Join(dir, name+".yml")
		err = errors.Join(err, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	swarm := func(addr string) string { return "/ip4/127.0.0.1/tcp/" + strings.TrimPrefix(addr, "127.0.0.1:") }
	psk := strings.TrimSpace(string(key))
	configFS := config("fs", fmt.Sprintf(fsConfig, dir+"/fs", addrs[0]))
	configA := config("a", fmt.Sprintf(ipfsConfig, dir+"/a", psk, swarm(addrs[3]), "", addrs[1]))
	if err != nil {
		return f, err
	}
	id, err := exec.CommandContext(ctx, binary, "ipfs", "id", configA).Output()
	if err != nil {
		return f, fmt.Errorf("identity of A: %w", err)
	}
	configB := config("b", fmt.Sprintf(ipfsConfig, dir+"/b", psk, swarm(addrs[4]), strings.Fields(string(id))[1], addrs[2]))
	if f.fs, err = start(binary, "filesystem", configFS, addrs[0]); err != nil {
		return f, err
	}
	if f.a, err = start(binary, "A", configA, addrs[1]); err != nil {
		return f, err
	}
	if f.b, err = start(binary, "B", configB, addrs[2]); err != nil {
		return f, err
	}
	return f, awaitMember(ctx, binary, configB)
}

func start(binary, name, config, addr string) (*registry, error) {
	r := &registry{name: name, http: addr, client: &http.Client{Transport: &http.Transport{DisableCompression: true}},
		anon: new(atomic.Uint64), done: make(chan struct{}), watched: make(chan struct{})}
	r.cmd = exec.Command(binary, "serve", config)
	r.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go r.watch()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if resp, err := r.client.Get("http://" + addr + "/v2/"); err == nil {
			return r, resp.Body.Close()
		}
	}
	return r, fmt.Errorf("%s does not answer", name)
}

func awaitMember(ctx context.Context, binary, config string) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		out, err := exec.CommandContext(ctx, binary, "ipfs", "status", "--json", config).Output()
		if err == nil && strings.Contains(string(out), `"connected": true`) {
			return nil
		}
	}
	return errors.New("the two registries never met")
}

func (f *fleet) stop() error {
	var err error
	for _, r := range []*registry{f.b, f.a, f.fs} {
		if r != nil {
			close(r.done)
			<-r.watched
			r.client.CloseIdleConnections()
			err = errors.Join(err, r.cmd.Process.Signal(syscall.SIGTERM), r.cmd.Wait())
		}
	}
	return err
}

// watch samples the process's anonymous memory ten times a second until it is
// stopped, and keeps the most it saw.
func (r *registry) watch() {
	defer close(r.watched)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r.anon.Store(max(r.anon.Load(), r.anonymous()))
		select {
		case <-tick.C:
		case <-r.done:
			return
		}
	}
}

func (r *registry) anonymous() uint64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

func (r *registry) peak() string { return humanize.IBytes(r.anon.Load()) }

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

func longest(d []time.Duration) time.Duration { return slices.Max(d) }

func short(d time.Duration) string { return d.Round(d / 100).String() }

// head names the machine.
func head() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t: "))
				break
			}
		}
	}
	return fmt.Sprintf("# Benchmarks\n\nMade by `make bench`: both drivers run at the same time on loopback, in one binary, and take turns. Trust the ratios, not the figures: %s, %d cores, %s. All blobs are unique. "+
		"The client makes its bytes as it sends them, on the same cores.\n\n", model, runtime.NumCPU(), runtime.Version())
}
