package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
)

// side is a process of a rival: it takes lines and answers each by one.
type side struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startSide runs the bench itself as a rival, and gives its first line.
func startSide(s *lab.Space, want string, args ...string) (p *side, first string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	cmd := s.Command(self, append([]string{"rival"}, args...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p = &side{cmd, in, bufio.NewReader(out)}
	first, err = p.read(want)
	if err != nil {
		return nil, "", errors.Join(err, p.Stop())
	}
	return p, first, nil
}

// ask sends a line and gives what follows the wanted word in the answer.
func (p *side) ask(ctx context.Context, line, want string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, MoveTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return "", err
	}
	return p.read(want)
}

func (p *side) read(want string) (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("a rival has ended: %w", err)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), want)
	if !ok {
		return "", fmt.Errorf("a rival answered %q, want %q", line, want)
	}
	return strings.TrimSpace(rest), nil
}

func (p *side) proc() Proc { return Proc(p.cmd.Process.Pid) }

const endTimeout = 30 * time.Second

// Stop closes the side's input, and kills it when that does not end it.
func (p *side) Stop() error {
	kill := time.AfterFunc(endTimeout, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	return errors.Join(p.in.Close(), p.cmd.Wait())
}

// Rivals are the two processes of another way of bringing a file from one space to another.
type Rivals struct {
	Name, Note   string
	server, sink *side
	dir          string
}

// StartRival starts both of a way that package rival knows by its name.
func StartRival(name, dir, psk string, from, to *lab.Space) (*Rivals, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	server, address, err := startSide(from, "address", "serve", name, "-listen", from.Addr()+":"+port, "-psk", psk, "-dir", dir+"/from")
	if err != nil {
		return nil, err
	}
	if port, err = freePort(); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	sink, note, err := startSide(to, "ready", "fetch", name, "-from", address, "-listen", to.Addr()+":"+port, "-psk", psk, "-dir", dir+"/to", "-to", dir+"/out")
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return &Rivals{name, note, server, sink, dir}, nil
}

// Stop ends both.
func (r *Rivals) Stop() error { return errors.Join(r.sink.Stop(), r.server.Stop()) }

// Move fetches a file of a size, and returns what that took by the clock, and of the
// processors at both ends.
func (r *Rivals) Move(ctx context.Context, name string, size int64) (took, cpu time.Duration, err error) {
	before := CPUOf(r.server.proc(), r.sink.proc())
	answer, err := r.sink.ask(ctx, name, "fetched")
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", r.Name, err)
	}
	var n int64
	if _, err := fmt.Sscan(answer, &n, (*int64)(&took)); err != nil || n != size {
		return 0, 0, fmt.Errorf("%s: brought %d of %d bytes", r.Name, n, size)
	}
	return took, CPUOf(r.server.proc(), r.sink.proc()) - before, nil
}

// Offer makes a new file, which the server then offers. A rival that does not recognize a
// file again is offered the same one each time.
func (r *Rivals) Offer(ctx context.Context, name string, size int64) (string, error) {
	path := filepath.Join(r.dir, name)
	if info, err := os.Stat(path); err == nil && info.Size() == size && r.Name != "bitswap" {
		return r.server.ask(ctx, path, "offers")
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, NewSeed(size).Reader())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	return r.server.ask(ctx, path, "offers")
}
