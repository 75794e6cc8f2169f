package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a small file system that only the registry and its filler use.
type disk struct {
	kind, path, image string
	filler            *os.File
}

func mount(kind, dir string, mib int) (*disk, error) {
	d := &disk{kind: kind, path: filepath.Join(dir, kind)}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, err
	}
	switch kind {
	case "tmpfs":
		return d, command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0700", mib), "badday", d.path)
	case "ext4":
		d.image = d.path + ".img"
		f, err := os.Create(d.image)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(f.Truncate(int64(mib)<<20), f.Close()); err != nil {
			return nil, err
		}
		return d, errors.Join(command("mkfs.ext4", "-q", "-F", "-m", "0", d.image), command("mount", "-o", "loop", d.image, d.path))
	}
	return nil, fmt.Errorf("no disk of kind %q: tmpfs or ext4", kind)
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func (d *disk) unmount() error {
	d.empty()
	err := command("umount", d.path)
	if d.image != "" {
		err = errors.Join(err, os.Remove(d.image))
	}
	return err
}

// fill writes a file until there is no room left, not even for one byte.
func (d *disk) fill() error {
	if d.filler == nil {
		f, err := os.Create(filepath.Join(d.path, "filler"))
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		d.filler = f
	}
	if _, err := d.filler.Seek(0, 2); err != nil {
		return err
	}
	for _, chunk := range []int{1 << 20, 4096, 1} {
		for buf := make([]byte, chunk); ; {
			if _, err := d.filler.Write(buf); errors.Is(err, unix.ENOSPC) {
				break
			} else if err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
	}
	return nil
}

// breathe fills the disk and gives a little back, again and again, so that writes end in
// the middle.
func (d *disk) breathe(random *rand.Rand, long time.Duration) error {
	for end := time.Now().Add(long); time.Now().Before(end); {
		if err := d.fill(); err != nil {
			return err
		}
		pause(random, 0, 60*time.Millisecond)
		info, err := d.filler.Stat()
		if err != nil {
			return err
		}
		if err := d.filler.Truncate(max(0, info.Size()-random.Int64N(1<<uint(12+random.IntN(12))))); err != nil {
			return err
		}
		pause(random, 0, 60*time.Millisecond)
	}
	return d.fill()
}

// empty gives all of the room back.
func (d *disk) empty() {
	if d.filler != nil {
		_ = d.filler.Close()
		_ = os.Remove(d.filler.Name())
		d.filler = nil
	}
}

func (d *disk) free() int64 {
	var s unix.Statfs_t
	if unix.Statfs(d.path, &s) != nil {
		return 0
	}
	return int64(s.Bavail) * s.Bsize
}

func pause(random *rand.Rand, least, most time.Duration) {
	time.Sleep(least + time.Duration(random.Int64N(int64(most-least)+1)))
}
