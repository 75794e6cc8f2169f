package containerd

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v2"
)

// maxFile is how much is read of a file, in bytes.
const maxFile = 1 << 20

// File is what is pulled from where for the images of one registry.
type File struct {
	Path  string
	Of    string // the registry, such as docker.io; "all" for those that no other file is about
	Hosts []Host // in the order of their URLs, the registry itself included where it is a fallback
	Err   error  // why the file cannot be read
	// IgnoredBy is the configuration of a containerd whose config_path does not name the directory
	// of this file, where that of no other does; "" where one does, or it is not known.
	IgnoredBy string
}

// Host is where images are pulled from.
type Host struct {
	URL      *url.URL // with a scheme and a host
	API      string   // path of the registry's API there, such as /v2
	Pulls    bool     // tags are looked up there, and blobs pulled
	CA       []string // files with the authorities that its certificate may be signed by; none: the system's
	Insecure bool     // any certificate will do
}

// Files are those below a root directory, by their paths. What k3s and rke2 make of their own
// configuration is left out.
func Files(root string) (all []File) {
	daemons := daemonsOf(root)
	for _, dir := range directories(root, daemons) {
		by := ignoredBy(daemons, dir)
		for _, path := range hostsFiles(dir) {
			f := File{Path: path, Of: registryOf(filepath.Base(filepath.Dir(path))), IgnoredBy: by}
			f.Hosts, f.Err = readHosts(path, f.Of)
			if f.Of == "_default" {
				f.Of = "all"
			}
			all = append(all, f)
		}
	}
	for _, of := range []string{"k3s", "rke2"} {
		path := filepath.Join(root, "etc/rancher", of, "registries.yaml")
		if _, err := os.Stat(path); err == nil {
			all = append(all, readRegistries(path)...)
		}
	}
	return all
}

// hostsFiles are those in the directories of a directory.
func hostsFiles(dir string) (paths []string) {
	entries, err := os.ReadDir(dir) // in order; Glob would take what is in dir's name for a pattern
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name(), "hosts.toml")
		if _, err := os.Stat(path); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// withUnderscores is how containerd also writes a port in a directory's name.
var withUnderscores = regexp.MustCompile(`^(.+)_(\d+)_$`)

// registryOf is the registry that a directory is named for.
func registryOf(dir string) string { return withUnderscores.ReplaceAllString(dir, "$1:$2") }

// hostsFile is a hosts.toml, as far as it is read here.
type hostsFile struct {
	Server     *string              `toml:"server"`
	CA         any                  `toml:"ca"`
	SkipVerify bool                 `toml:"skip_verify"`
	Override   bool                 `toml:"override_path"`
	Host       map[string]hostTable `toml:"host"`
}

type hostTable struct {
	CA           any      `toml:"ca"` // a file, or a list of files
	SkipVerify   bool     `toml:"skip_verify"`
	Override     bool     `toml:"override_path"` // the URL's path is the API's
	Capabilities []string `toml:"capabilities"`  // none: all
}

// pulls reports whether tags are looked up at a host, and blobs pulled.
func (t hostTable) pulls() bool {
	return len(t.Capabilities) == 0 || slices.Contains(t.Capabilities, "pull") && slices.Contains(t.Capabilities, "resolve")
}

// apiAt is the path of the API at a URL, as containerd makes it.
func apiAt(u *url.URL, override bool) string {
	at := strings.TrimSuffix(u.Path, "/")
	if override || strings.HasSuffix(at, "/v2") {
		return at
	}
	return at + "/v2"
}

func readHosts(path, of string) ([]Host, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	var file hostsFile
	if err := toml.Unmarshal(content, &file); err != nil {
		return nil, err
	}
	if file.Server == nil && of != "_default" { // then it is the registry itself
		file.Server = &of
	}
	var hosts []Host
	add := func(text string, t hostTable) error {
		u, err := urlOf(text)
		if err != nil {
			return err
		}
		hosts = append(hosts, Host{u, apiAt(u, t.Override), t.pulls(), filesIn(filepath.Dir(path), t.CA), t.SkipVerify})
		return nil
	}
	for _, text := range slices.Sorted(maps.Keys(file.Host)) {
		if err := add(text, file.Host[text]); err != nil {
			return nil, fmt.Errorf("host %q: %w", text, err)
		}
	}
	if file.Server != nil && *file.Server != "" {
		if err := add(*file.Server, hostTable{CA: file.CA, SkipVerify: file.SkipVerify, Override: file.Override}); err != nil {
			return nil, fmt.Errorf("server %q: %w", *file.Server, err)
		}
	}
	return hosts, nil
}

// registries is a registries.yaml, as far as it is read here.
type registries struct {
	Mirrors map[string]struct {
		Endpoint []string `yaml:"endpoint"`
	} `yaml:"mirrors"`
	Configs map[string]struct {
		TLS struct {
			CA       string `yaml:"ca_file"`
			Insecure bool   `yaml:"insecure_skip_verify"`
		} `yaml:"tls"`
	} `yaml:"configs"`
}

// readRegistries gives a file for each registry that a registries.yaml has mirrors of.
func readRegistries(path string) (all []File) {
	content, err := read(path)
	var file registries
	if err == nil {
		err = yaml.Unmarshal(content, &file)
	}
	if err != nil {
		return []File{{Path: path, Of: "all", Err: err}}
	}
	for _, of := range slices.Sorted(maps.Keys(file.Mirrors)) {
		f := File{Path: path, Of: of}
		endpoints := slices.Clone(file.Mirrors[of].Endpoint)
		if of == "*" {
			f.Of = "all"
		} else {
			endpoints = append(endpoints, of) // tried last
		}
		for _, text := range endpoints {
			u, err := urlOf(text)
			if err != nil {
				f.Err = fmt.Errorf("endpoint %q: %w", text, err)
				break
			}
			tls := file.Configs[u.Host].TLS
			f.Hosts = append(f.Hosts, Host{u, apiAt(u, false), true, filesIn(filepath.Dir(path), tls.CA), tls.Insecure})
		}
		all = append(all, f)
	}
	return all
}

// urlOf reads a URL whose scheme may be missing: then it is https.
func urlOf(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is neither http nor https", cmp.Or(u.Scheme, text))
	}
	return u, nil
}

// filesIn are the names in a value that is a file, or a list of them.
func filesIn(dir string, v any) (files []string) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, one := range list {
		name, ok := one.(string)
		if !ok || name == "" {
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		files = append(files, name)
	}
	return files
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%d bytes are more than such a file has", info.Size())
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
