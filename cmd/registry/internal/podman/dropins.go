package podman

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/atomicfile"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/containerd"
)

// Mirror is a registry that is asked before the one that an image names.
type Mirror struct {
	Location string // its host, with a port where it has one
	Insecure bool   // HTTP without TLS
	Comment  string // ends its first line: "", or "# " and a text
}

// Where the files are, below a root directory.
const (
	configuration = "etc/containers/registries.conf"
	directory     = "etc/containers/registries.conf.d"
	prefix        = "registry-ipfs-"
	suffix        = ".conf"
)

// header begins each file that is written and removed here, and no other.
const header = "# Made by `registry ipfs hosts --podman`, which writes it anew, and takes it out again with --remove.\n"

// Add is what is written to have mirrors asked before some registries. Nothing is written yet. It fails
// when another file is about one of them: Podman would read only one of the two.
func Add(root string, registries []string, mirrors []Mirror) (edits []atomicfile.Edit, err error) {
	if _, err := os.Stat(filepath.Join(root, filepath.Dir(directory))); err != nil {
		return nil, fmt.Errorf("neither Podman nor CRI-O is here: %w", err)
	}
	if err := check(registries); err != nil {
		return nil, err
	}
	for _, of := range registries {
		e := atomicfile.Edit{Path: fileOf(root, of), After: dropIn(of, mirrors)}
		e.Before, err = atomicfile.Read(e.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case !own(e.Before):
			return nil, fmt.Errorf("%s: was not made by this command: give it another name", e.Path)
		}
		edits = append(edits, e)
	}
	return edits, conflict(root, registries, mirrors)
}

// Remove is what is removed to have no mirrors of Add asked before some registries; none: before any.
// Nothing is removed yet. A file that cannot be read is an error, and does not keep the others.
func Remove(root string, registries []string) (edits []atomicfile.Edit, err error) {
	if err := check(registries); err != nil {
		return nil, err
	}
	var errs []error
	for _, path := range dropIns(root) {
		named := func(of string) bool { return fileOf(root, of) == path }
		if len(registries) > 0 && !slices.ContainsFunc(registries, named) {
			continue
		}
		e := atomicfile.Edit{Path: path}
		if e.Before, err = atomicfile.Read(path); err != nil {
			errs = append(errs, err)
		}
		if own(e.Before) {
			edits = append(edits, e)
		}
	}
	return edits, errors.Join(errs...)
}

func check(registries []string) error {
	for _, of := range registries {
		if of == containerd.DefaultRegistry {
			return fmt.Errorf("%s: Podman and CRI-O know no mirror of all registries: name each", of)
		}
		if err := containerd.CheckRegistry(of); err != nil {
			return err
		}
	}
	return nil
}

// fileOf is the file that is about a registry. A host has no underscore, so no two have one file.
func fileOf(root, of string) string {
	return filepath.Join(root, directory, prefix+strings.ReplaceAll(of, ":", "_")+suffix)
}

// own reports whether a file was made here.
func own(content []byte) bool { return bytes.HasPrefix(content, []byte(header)) }

// dropIn is the file of a registry. A prefix is enough for no release of Podman: location has to be there.
func dropIn(of string, mirrors []Mirror) []byte {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "%s[[registry]]\nprefix = %[2]q\nlocation = %[2]q\n", header, of)
	for _, m := range mirrors {
		location := strings.TrimSpace(fmt.Sprintf("location = %s %s", strconv.Quote(m.Location), m.Comment))
		_, _ = fmt.Fprintf(&b, "\n[[registry.mirror]]\n%s\n", location)
		if m.Insecure {
			b.WriteString("insecure = true\n")
		}
	}
	return b.Bytes()
}

// dropIns are the files of the directory that Podman reads, in its order.
func dropIns(root string) (paths []string) {
	for _, name := range namesIn(filepath.Join(root, directory), suffix) {
		paths = append(paths, filepath.Join(root, directory, name))
	}
	return paths
}

// namesIn are those of the files in a directory that end so, in order. Glob would take what is in the
// directory's name for a pattern.
func namesIn(dir, suffix string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// conflict is which file has a table of one of the registries: of two with the same prefix, that of the
// last file counts, and the mirrors of the other are asked for nothing.
func conflict(root string, registries []string, mirrors []Mirror) error {
	for _, path := range append([]string{filepath.Join(root, configuration)}, dropIns(root)...) {
		content, err := atomicfile.Read(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && own(content) {
			continue
		}
		var tables []string
		if err == nil {
			tables, err = prefixesIn(content)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, of := range registries {
			if slices.Contains(tables, of) {
				return fmt.Errorf("%s: is about %s already, and Podman would read only one of the two; add this to it by hand: %s", path, of, tablesOf(mirrors))
			}
		}
	}
	return nil
}

// prefixesIn are the registries that a file is about.
func prefixesIn(content []byte) (all []string, err error) {
	var file struct {
		Registry []table             `toml:"registry"`
		Old      map[string]struct { // the first form of the file, which Podman reads as the second
			Registries []string `toml:"registries"`
		} `toml:"registries"`
	}
	if err := toml.Unmarshal(content, &file); err != nil {
		return nil, err
	}
	for _, t := range file.Registry {
		all = append(all, t.of())
	}
	for _, kind := range []string{"insecure", "block"} {
		all = append(all, file.Old[kind].Registries...)
	}
	return all, nil
}

// tablesOf is what has mirrors asked, in one line.
func tablesOf(mirrors []Mirror) string {
	var all []string
	for _, m := range mirrors {
		text := "[[registry.mirror]] location = " + strconv.Quote(m.Location)
		if m.Insecure {
			text += " insecure = true"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}
