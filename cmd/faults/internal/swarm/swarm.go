package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/disk"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// Options are what a swarm is made of.
type Options struct {
	Binary   string
	Late     string // the registry with a clock that can be set wrong; "": none
	Dir      string
	Members  int
	Lab      *lab.Lab // nil: all are on loopback
	DiskMiB  int      // of each registry; 0: they have none of their own
	Lines    []string // of the configuration's ipfs: block
	Guest    bool     // there is one registry more, which does not run until it is started
	Patience time.Duration
}

// Swarm is registries that share their storage.
type Swarm struct {
	Members []*Member
	Guest   *Member   // one that is not counted among them; nil: there is none
	Mesh    *lab.Mesh // nil: they cannot be cut off

	o Options

	mu    sync.Mutex
	names map[string]string // of a blob's file → its digest
}

const port = "4619" // where members reach each other, each at an address of its own

// Open starts registries, and waits until they have met. After an error it has ended what it
// had started.
func Open(ctx context.Context, o Options) (s *Swarm, err error) {
	s = &Swarm{o: o, names: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.fill(ctx); err != nil {
		return s, err
	}
	if err := s.configure(ctx); err != nil {
		return s, err
	}
	return s, errors.Join(s.Heal(ctx), s.Agree(ctx))
}

// fill makes the registries.
func (s *Swarm) fill(ctx context.Context) error {
	key, err := s.Keygen(ctx)
	if err != nil {
		return err
	}
	seats := s.o.Members
	if s.o.Guest {
		seats++
	}
	if s.o.Lab != nil {
		if s.Mesh, err = s.o.Lab.Mesh(seats); err != nil {
			return err
		}
	}
	for i := range seats {
		m, err := s.member(i)
		if err != nil {
			return err
		}
		if m.key = key; i < s.o.Members {
			s.Members = append(s.Members, m)
		} else {
			s.Guest = m
		}
	}
	return nil
}

// Keygen makes a protector key.
func (s *Swarm) Keygen(ctx context.Context) (string, error) { return process.Keygen(ctx, s.o.Binary) }

// Seat is the registry with an Index.
func (s *Swarm) Seat(i int) *Member { return s.all()[i] }

// all are the members and the guest.
func (s *Swarm) all() []*Member {
	if s.Guest == nil {
		return s.Members
	}
	return append(slices.Clone(s.Members), s.Guest)
}

func (s *Swarm) member(i int) (*Member, error) {
	m := &Member{Index: i, swarm: s, space: lab.Here()}
	m.Registry = process.Registry{Name: string(rune('A' + i)), Binary: s.o.Binary}
	m.Dir = filepath.Join(s.o.Dir, m.Name)
	m.Data = filepath.Join(m.Dir, "data")
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return nil, err
	}
	if s.o.DiskMiB > 0 {
		d, err := disk.Mount("tmpfs", m.Dir, s.o.DiskMiB)
		if err != nil {
			return nil, err
		}
		m.Disk, m.Data = d, filepath.Join(d.Path, "data")
	}
	if s.Mesh != nil {
		m.space = s.Mesh.Spaces[i]
		m.Listen = net.JoinHostPort(m.space.Addr(), port)
	}
	m.connect()
	return m, nil
}

// configure writes all configurations: each names the others as bootstrappers, by the keys
// that they have now.
func (s *Swarm) configure(ctx context.Context) error {
	all := s.all()
	addresses := make([]string, len(all))
	for i, m := range all {
		err := m.Configure(s.lines(m)...)
		if err == nil {
			addresses[i], err = m.Address(ctx)
		}
		if err != nil {
			return err
		}
	}
	for i, m := range all {
		var others []string
		for j, a := range addresses[:len(s.Members)] {
			if j != i {
				others = append(others, a)
			}
		}
		if err := m.Configure(append(s.lines(m), "bootstrappers: "+strings.Join(others, ","))...); err != nil {
			return err
		}
		_, m.peer, _ = strings.Cut(addresses[i], "/p2p/")
	}
	return nil
}

func (s *Swarm) lines(m *Member) []string {
	lines := []string{"name: " + m.Name, fmt.Sprintf("protectorkey: %q", m.key), "privatekeyfile: " + m.keyFile()}
	if m.next != "" {
		lines = append(lines, fmt.Sprintf("protectorkeynext: %q", m.next))
	}
	return append(lines, s.o.Lines...)
}

// Heal ends all that is wrong, and starts the registries that do not run.
func (s *Swarm) Heal(ctx context.Context) error {
	if s.Mesh != nil {
		s.Mesh.Set(lab.Fault{})
	}
	var errs []error
	for _, m := range s.Members {
		if m.Disk != nil {
			m.Disk.Empty()
		}
		errs = append(errs, m.Resume())
		if !m.Running() {
			errs = append(errs, m.Spawn())
		}
	}
	for _, m := range s.Members {
		if m.Running() {
			errs = append(errs, m.answer(ctx))
		}
	}
	return errors.Join(errs...)
}

// Close ends all registries and unmounts their disks.
func (s *Swarm) Close() error {
	var errs []error
	for _, m := range s.all() {
		m.Kill()
		if m.Disk != nil {
			errs = append(errs, m.Disk.Unmount())
		}
	}
	return errors.Join(errs...)
}

// wait asks again and again until there is nothing more to wait for, and fails with what
// that is when patience ends.
func (s *Swarm) wait(ctx context.Context, what string, missing func(context.Context) string) error {
	began := time.Now()
	for {
		left := missing(ctx)
		if left == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
		if time.Since(began) > s.o.Patience {
			return fmt.Errorf("after %s: not all %s: %s", s.o.Patience, what, left)
		}
	}
}
