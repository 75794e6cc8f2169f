package swarm

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/disk"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/skewed"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// Member is one registry, its disk, and a client of it.
type Member struct {
	process.Registry
	Index int
	Disk  *disk.Disk // nil: it has none of its own

	swarm     *Swarm
	space     *lab.Space
	peer      string
	key, next string // protector keys; next "": there is none
	suspended bool
	life, run atomic.Int64
	shunned   atomic.Bool
	clients   atomic.Int64
}

// Life counts its disks: a wiped one is new, and so is an old one that is put back.
func (m *Member) Life() int { return int(m.life.Load()) }

// Run counts its processes.
func (m *Member) Run() int { return int(m.run.Load()) }

// connect makes a client that is in the registry's network, whose connections do not outlive
// an answer by much.
func (m *Member) connect() {
	m.Client = &http.Client{Transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second, DialContext: m.space.Dial,
	}}
	m.Exec = m.space.Command
}

// Enter lets a client use the registry until it calls leave, unless it is shunned.
func (m *Member) Enter() (leave func(), ok bool) {
	m.clients.Add(1)
	leave = func() { m.clients.Add(-1) }
	if m.shunned.Load() {
		leave()
		return nil, false
	}
	return leave, true
}

// Shun keeps clients away until it is called again with false, and waits for those that are
// there.
func (m *Member) Shun(ctx context.Context, shunned bool) error {
	m.shunned.Store(shunned)
	if !shunned {
		return nil
	}
	return m.swarm.wait(ctx, "clients have left "+m.Name, func(context.Context) string {
		if n := m.clients.Load(); n > 0 {
			return fmt.Sprint(n)
		}
		return ""
	})
}

// Spawn runs the registry.
func (m *Member) Spawn() error {
	m.run.Add(1)
	return m.Registry.Spawn()
}

// Start runs the registry and waits until it answers.
func (m *Member) Start(ctx context.Context) error {
	if err := m.Spawn(); err != nil {
		return err
	}
	return m.answer(ctx)
}

func (m *Member) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.swarm.o.Patience)
	defer cancel()
	return m.Await(ctx, "answers", func() bool {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(short, http.MethodGet, "http://"+m.HTTP+"/v2/", nil)
		if err != nil {
			return false
		}
		resp, err := m.Client.Do(req)
		return err == nil && resp.Body.Close() == nil
	})
}

// Suspend stops the process where it stands.
func (m *Member) Suspend() error {
	m.suspended = true
	return m.Signal(syscall.SIGSTOP)
}

// Resume lets a suspended process go on.
func (m *Member) Resume() error {
	if !m.suspended || !m.Running() {
		m.suspended = false
		return nil
	}
	m.suspended = false
	return m.Signal(syscall.SIGCONT)
}

// SetClock has the registry be so much late, or early, from its next start on.
func (m *Member) SetClock(by time.Duration) {
	m.Binary, m.Env = m.swarm.o.Binary, nil
	if by != 0 {
		m.Binary, m.Env = m.swarm.o.Late, []string{skewed.Env(by)}
	}
}

// Wipe gives a stopped registry an empty disk and, unless it keeps its key, another peer ID,
// by which the others know it from now on: they have to forget the old one, which is returned.
func (m *Member) Wipe(ctx context.Context, keepKey bool) (old string, err error) {
	m.life.Add(1)
	if err := os.RemoveAll(m.Data); err != nil || keepKey {
		return "", err
	}
	old = m.peer
	if err := os.Remove(m.keyFile()); err != nil {
		return "", err
	}
	return old, m.swarm.configure(ctx)
}

// Key is the protector key that it has, or the first of two.
func (m *Member) Key() string { return m.key }

// SetKeys writes the configuration with other protector keys: the next start takes them.
func (m *Member) SetKeys(ctx context.Context, key, next string) error {
	m.key, m.next = key, next
	return m.swarm.configure(ctx)
}

// AcknowledgeAlone has it take pushes that are on no other disk, from its next start on.
func (m *Member) AcknowledgeAlone() { m.Env = []string{"REGISTRY_STORAGE_IPFS_ACKREPLICAS=1"} }

func (m *Member) keyFile() string { return filepath.Join(m.Dir, "key") }

func (m *Member) backup() string { return filepath.Join(m.Dir, "backup") }

// BackUp copies the disk of a stopped registry, in place of an earlier copy.
func (m *Member) BackUp() error { return copyTree(m.Data, m.backup()) }

// HasBackup reports whether there is a copy with which Restore could do.
func (m *Member) HasBackup() bool {
	_, err := os.Stat(m.backup())
	return err == nil
}

// DropBackup removes it: the disk of another peer is of no use.
func (m *Member) DropBackup() error { return os.RemoveAll(m.backup()) }

// Restore puts the copy back on the disk of a stopped registry.
func (m *Member) Restore() error {
	m.life.Add(1)
	return copyTree(m.backup(), m.Data)
}

func copyTree(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", "--sparse=always", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}

func (m *Member) parameters() driver.Parameters { return driver.Parameters{DatastorePath: m.Data} }

// Ask is its status, if it answers soon.
func (m *Member) Ask(ctx context.Context) (driver.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return driver.NewClient(m.parameters()).Status(ctx)
}

// Collect has it collect garbage.
func (m *Member) Collect(ctx context.Context, grace time.Duration) (driver.Collection, error) {
	return driver.NewClient(m.parameters()).Collect(ctx, driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
}

// Verify has it read all its blobs, and mend what is wrong.
func (m *Member) Verify(ctx context.Context) (driver.Verification, error) {
	return driver.NewClient(m.parameters()).Verify(ctx, "", func(driver.VerifyProgress) {})
}

// Drain has it hand on what it keeps, until it may be switched off. With an error it gives what was
// left when it said so last.
func (m *Member) Drain(ctx context.Context, progress func(driver.DrainState)) (driver.DrainState, error) {
	var last driver.DrainState
	st, err := driver.NewClient(m.parameters()).Drain(ctx, true, func(now driver.DrainState) {
		last = now
		progress(now)
	})
	if err != nil {
		return last, err
	}
	return st, nil
}

// Peer is its peer ID.
func (m *Member) Peer() string { return m.peer }

// Forget has it forget another.
func (m *Member) Forget(ctx context.Context, peer string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := driver.NewClient(m.parameters()).Forget(ctx, peer)
	return err
}

// Revoke has it shut another out of the swarm.
func (m *Member) Revoke(ctx context.Context, peer string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := driver.NewClient(m.parameters()).Revoke(ctx, peer)
	return err
}

// RequireSignatures has it require signatures of all registries.
func (m *Member) RequireSignatures(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := driver.NewClient(m.parameters()).RequireSignatures(ctx, "")
	return err
}

// Shuns reports whether it says that another was revoked.
func (m *Member) Shuns(ctx context.Context, peer string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	known, err := driver.NewClient(m.parameters()).Members(ctx)
	return slices.ContainsFunc(known.Members, func(o driver.KnownMember) bool { return o.PeerID == peer && o.Revoked != nil }), err
}

// KeyChange is what it says of who has which protector key.
func (m *Member) KeyChange(ctx context.Context) (driver.KeyChange, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return driver.NewClient(m.parameters()).KeyChange(ctx)
}
