// Package disk makes small file systems that a command can fill to the last byte.
//
//	d, err := disk.Mount("tmpfs", dir, 512) // MiB
//	defer d.Unmount()
//	err = d.Fill()
//	d.Empty()
//
// Limits: it needs Linux and root. A Disk is for one goroutine.
package disk

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

// Disk is a small file system, which its filler shares with whoever uses it.
type Disk struct {
	Kind, Path string

	image  string
	filler *os.File
}

// Mount makes a file system of a kind, tmpfs or ext4, in a directory of that name in dir.
func Mount(kind, dir string, mib int) (*Disk, error) {
	d := &Disk{Kind: kind, Path: filepath.Join(dir, kind)}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		return nil, err
	}
	switch kind {
	case "tmpfs":
		return d, command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0700", mib), "small-disk", d.Path)
	case "ext4":
		d.image = d.Path + ".img"
		f, err := os.Create(d.image)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(f.Truncate(int64(mib)<<20), f.Close()); err != nil {
			return nil, err
		}
		return d, errors.Join(command("mkfs.ext4", "-q", "-F", "-m", "0", d.image), command("mount", "-o", "loop", d.image, d.Path))
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

// Cut ends all writing at once, as when the power goes: what the file system has not been told
// to sync may be gone. Whoever uses the disk gets errors until Mend, and has to end before.
// Only ext4 can do that.
func (d *Disk) Cut() error {
	dir, err := os.Open(d.Path)
	if err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), ext4Shutdown, ext4NoLogFlush); err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	return nil
}

// Mend mounts the disk again after Cut: a copy of it, because the file system that was cut
// lives on as long as it is mounted in another namespace of this machine.
func (d *Disk) Mend() error {
	d.Empty()
	before := d.image
	d.image += "+"
	return errors.Join(command("umount", d.Path), command("cp", "--sparse=always", before, d.image), os.Remove(before),
		command("mount", "-o", "loop", d.image, d.Path))
}

// From linux/ext4.h: EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
const (
	ext4Shutdown   = 0x8004587d
	ext4NoLogFlush = 2
)

// Unmount removes the file system and what is on it.
func (d *Disk) Unmount() error {
	d.Empty()
	err := command("umount", d.Path)
	if d.image != "" {
		err = errors.Join(err, os.Remove(d.image))
	}
	return err
}

// Fill writes a file until there is no room left, not even for one byte.
func (d *Disk) Fill() error {
	if d.filler == nil {
		f, err := os.Create(filepath.Join(d.Path, "filler"))
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

// Breathe fills the disk and gives a little back, again and again, so that writes end in
// the middle.
func (d *Disk) Breathe(random *rand.Rand, long time.Duration) error {
	for end := time.Now().Add(long); time.Now().Before(end); {
		if err := d.Fill(); err != nil {
			return err
		}
		time.Sleep(time.Duration(random.Int64N(int64(60 * time.Millisecond))))
		info, err := d.filler.Stat()
		if err != nil {
			return err
		}
		if err := d.filler.Truncate(max(0, info.Size()-random.Int64N(1<<uint(12+random.IntN(12))))); err != nil {
			return err
		}
		time.Sleep(time.Duration(random.Int64N(int64(60 * time.Millisecond))))
	}
	return d.Fill()
}

// Empty gives all of the room back.
func (d *Disk) Empty() {
	if d.filler != nil {
		_ = d.filler.Close()
		_ = os.Remove(d.filler.Name())
		d.filler = nil
	}
}

// Free is how many bytes may be written.
func (d *Disk) Free() int64 {
	var s unix.Statfs_t
	if unix.Statfs(d.Path, &s) != nil {
		return 0
	}
	return int64(s.Bavail) * s.Bsize
}
