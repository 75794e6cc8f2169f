package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user has this number in images that have no system, so that clusters know it for no root.
const user = 65532

const (
	programPath = "/usr/local/bin/registry"
	configPath  = "/etc/registry/config.yml"
	dataPath    = "/var/lib/registry"
)

//go:embed config.yml
var config []byte

// base is the layer that is the same on all platforms: who runs it, its configuration, its directory,
// certificates and time zones.
func (r *release) base(to, zones string) (v1.Layer, error) {
	return r.layer(to, func(t *tree) error {
		passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nregistry:x:%d:%d:registry:%s:/sbin/nologin\n", user, user, dataPath)
		return errors.Join(
			t.text("/etc/passwd", []byte(passwd)),
			t.text("/etc/group", fmt.Appendf(nil, "root:x:0:\nregistry:x:%d:\n", user)),
			t.text(configPath, config),
			t.text("/etc/ssl/certs/ca-certificates.crt", certificates()),
			t.zones(zones),
			t.directory(dataPath, 0o700, user),
			t.directory(dataPath+"/swarm", 0o700, user), // a volume that is mounted here takes its owner
			t.directory("/tmp", 0o1777, 0),
		)
	})
}

// program is the layer with a platform's binary.
func (r *release) program(to, binary string) (v1.Layer, error) {
	return r.layer(to, func(t *tree) error {
		in, err := os.Open(binary)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		return t.file(programPath, 0o755, info.Size(), in)
	})
}

// layer writes a layer's files into a file, and makes a layer of that.
func (r *release) layer(to string, fill func(*tree) error) (v1.Layer, error) {
	out, err := os.Create(to)
	if err != nil {
		return nil, err
	}
	t := &tree{Writer: tar.NewWriter(out), date: r.date}
	if err := errors.Join(fill(t), t.Close(), out.Close()); err != nil {
		return nil, fmt.Errorf("layer %s: %w", path.Base(to), err)
	}
	return tarball.LayerFromFile(to, tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching, tarball.WithMediaType(types.OCILayer))
}

// certificates are the authorities that Mozilla trusts, as PEM; those that it trusts with limits, which
// a file cannot express, are left out.
func certificates() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer takes all
		}
	}
	return all.Bytes()
}

// tree writes the files of a layer: all of one date, and root's.
type tree struct {
	*tar.Writer
	date time.Time
	made []string // directories
}

func (t *tree) text(name string, text []byte) error {
	return t.file(name, 0o644, int64(len(text)), bytes.NewReader(text))
}

func (t *tree) file(name string, mode, size int64, from io.Reader) error {
	if err := t.above(name); err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name[1:], Mode: mode, Size: size, ModTime: t.date, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(t, from)
	return err
}

func (t *tree) directory(name string, mode int64, owner int) error {
	if err := t.above(name); err != nil || slices.Contains(t.made, name) {
		return err
	}
	t.made = append(t.made, name)
	return t.WriteHeader(&tar.Header{Name: name[1:] + "/", Mode: mode, Uid: owner, Gid: owner, ModTime: t.date, Typeflag: tar.TypeDir})
}

// above writes the directories in which a file is.
func (t *tree) above(name string) error {
	if dir := path.Dir(name); dir != "/" {
		return t.directory(dir, 0o755, 0)
	}
	return nil
}

// zones writes what Go has of the time zones, where Go looks for it.
func (t *tree) zones(archive string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if err := t.zone(f); err != nil {
			return fmt.Errorf("%s in %s: %w", f.Name, archive, err)
		}
	}
	return nil
}

func (t *tree) zone(f *zip.File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return t.file("/usr/share/zoneinfo/"+f.Name, 0o644, int64(f.UncompressedSize64), in) //nolint:gosec // bounded by the file of Go's own
}
