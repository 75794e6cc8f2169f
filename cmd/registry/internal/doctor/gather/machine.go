package gather

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Machine is what this machine is like for a registry of that configuration. Whether its ports
// are free is looked at only while it does not run.
func Machine(ctx context.Context, config *configuration.Configuration, p driver.Parameters, runs bool) doctor.Machine {
	m := doctor.Machine{Data: data(p.DatastorePath), Disk: disk(p.DatastorePath), Mirrors: mirrors(ctx, "/", addressesOf(config, p), runs)}
	for _, k := range driver.KeyFiles(p) {
		of := doctor.KeyFile{Name: k.Name, Path: k.Path, Exposed: k.Exposed}
		if errors.Is(k.Trouble, fs.ErrPermission) {
			of.Unknown = foreign(p.DatastorePath)
		}
		if k.Trouble != nil && of.Unknown == "" {
			of.Trouble = k.Trouble.Error()
		}
		m.Keys = append(m.Keys, of)
	}
	m.Lists = lists(p)
	if !runs {
		m.Ports = ports(config, p)
	}
	return m
}

// lists are the files with lists of peers.
func lists(p driver.Parameters) (all []doctor.ListFile) {
	for _, l := range driver.PeerListFiles(p) {
		of := doctor.ListFile{Name: l.Name, Path: l.Path}
		if errors.Is(l.Trouble, fs.ErrPermission) {
			of.Unknown = foreign(p.DatastorePath)
		}
		if l.Trouble != nil && of.Unknown == "" {
			of.Trouble = l.Trouble.Error()
		}
		all = append(all, of)
	}
	return all
}

// data looks at datastorepath, or, while it is missing, at where it would be made.
func data(path string) doctor.Data {
	d := doctor.Data{Path: path}
	at, made := nearest(path)
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		if d.Unknown = foreign(path); d.Unknown == "" {
			d.Trouble = err.Error()
		}
	}
	d.Exposed = made && passable(path) && (passable(filepath.Join(path, "pebble")) || passable(filepath.Join(path, "badger")))
	return d
}

// nearest is a path, or the nearest directory above it that there is; made reports whether it is
// the path itself.
func nearest(path string) (at string, made bool) {
	at = path
	for {
		if _, err := os.Stat(at); !errors.Is(err, os.ErrNotExist) || at == filepath.Dir(at) {
			return at, at == path
		}
		at = filepath.Dir(at)
	}
}

// foreign is why what a registry may do is not known of what this user may not do: its datastore is
// another user's. "": it is this user's, or there is none yet.
func foreign(datastore string) string {
	at, made := nearest(datastore)
	var st unix.Stat_t
	switch err := unix.Stat(at, &st); {
	case errors.Is(err, unix.EACCES):
		return fmt.Sprintf("this user may not look at %s: ask as the registry's user", datastore)
	case err == nil && made && int(st.Uid) != os.Geteuid():
		return fmt.Sprintf("%s belongs to another user: ask as that one", datastore)
	}
	return ""
}

// passable reports whether every user may look for files in a directory.
func passable(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.Mode().Perm()&0o001 != 0
}

// exposed reports whether every user may read a file.
func exposed(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().Perm()&0o004 != 0 && passable(filepath.Dir(file))
}

func disk(path string) *doctor.Disk {
	var fs unix.Statfs_t
	at, _ := nearest(path)
	if err := unix.Statfs(at, &fs); err != nil {
		return nil
	}
	free, inodes := uint64(max(int64(fs.Bavail), 0)), uint64(max(int64(fs.Ffree), 0)) // FreeBSD counts what root took of the rest below 0
	return &doctor.Disk{Free: free * uint64(fs.Bsize), Total: fs.Blocks * uint64(fs.Bsize), Inodes: inodes, TotalInodes: fs.Files}
}

// ports are those of the configuration that cannot be listened on. The default data port gives
// way to another, and is not looked at.
func ports(config *configuration.Configuration, p driver.Parameters) (taken []doctor.Port) {
	try := func(key, network, address string) {
		l, err := net.Listen(network, address)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			taken = append(taken, doctor.Port{Key: key, Address: address, Trouble: why(err)})
		}
	}
	if n := config.HTTP.Net; os.Getenv("LISTEN_FDS") == "" && (n == "" || n == "tcp") && config.HTTP.Addr != "" {
		try("http.addr", "tcp", config.HTTP.Addr)
	}
	if config.HTTP.Debug.Addr != "" {
		try("http.debug.addr", "tcp", config.HTTP.Debug.Addr)
	}
	if p.Offline {
		return taken
	}
	tryAll := func(key string, list []string) {
		for _, text := range list {
			if network, address, ok := tcpOf(text); ok {
				try(key, network, address)
			}
		}
	}
	tryAll("listenaddrs", p.ListenAddrs)
	if len(p.DataAddrs) != 1 || p.DataAddrs[0] != driver.DefaultParameters().DataAddrs[0] {
		tryAll("dataaddrs", p.DataAddrs)
	}
	return taken
}

// tcpOf is where to listen for a multiaddr; false when it is not TCP.
func tcpOf(text string) (network, address string, ok bool) {
	a, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return "", "", false
	}
	network, address, err = manet.DialArgs(a)
	return network, address, err == nil && (network == "tcp" || network == "tcp4" || network == "tcp6")
}

// why is the innermost cause of an error of the network, which names no address.
func why(err error) string {
	var cause syscall.Errno
	if errors.As(err, &cause) {
		return cause.Error()
	}
	return err.Error()
}
