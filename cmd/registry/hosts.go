package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/atomicfile"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/containerd"
)

// hostsOptions are the flags of `ipfs hosts`.
type hostsOptions struct {
	upstreams []string
	mirrors   []string
	ca        string
	dial      time.Duration
	dir, root string
	remove    bool
	dryRun    bool
}

func hostsCommand() *cobra.Command {
	var o hostsOptions
	cmd := &cobra.Command{
		Use:   "hosts <config>",
		Short: "Have containerd on this machine pull from this registry first",
		Long: "Write hosts.toml for containerd, so that images of other registries, the upstreams, are asked for at\n" +
			"this registry first, and at the upstream when it has none or does not run. The files are those of\n" +
			"containerd, k3s, rke2 or Talos, whichever is on this machine. What else is in them stays. containerd\n" +
			"reads them anew with each pull. This registry is asked for the same path: docker.io/library/alpine is\n" +
			"its repository library/alpine, so name only upstreams whose paths are kept here for them.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			edits, err := o.edits(args)
			for _, e := range edits {
				if err == nil {
					err = makeEdit(cmd.OutOrStdout(), e, o.dryRun)
				}
			}
			if err != nil {
				return fmt.Errorf("ipfs hosts: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.upstreams, "upstream", nil, "registry whose images are asked for here first, such as docker.io, once or more often; _default: all that have no directory")
	flags.StringSliceVar(&o.mirrors, "mirror", nil, "URL at which containerd reaches this registry, and those of further members, in order (default: by http.host, or http.addr on this machine)")
	flags.StringVar(&o.ca, "ca", "", "file with the authority of the mirrors' certificates (default: the system's)")
	flags.DurationVar(&o.dial, "dial-timeout", time.Second, "how long a connection to a mirror may take before the next is tried (containerd 2.1 and later)")
	flags.StringVar(&o.dir, "dir", "", "directory of containerd's config_path (default: what its configuration names)")
	flags.StringVar(&o.root, "root", "/", "where the machine's root directory is, for a container that has it mounted")
	flags.BoolVar(&o.remove, "remove", false, "take out what was written, for the upstreams that are named, or for all")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only print what would be written")
	return cmd
}

// edits are what the options ask for.
func (o hostsOptions) edits(args []string) (edits []containerd.Edit, err error) {
	config, err := readConfig(args) // of http alone: what is stored, and where, does not matter
	if err != nil {
		return nil, err
	}
	var mirrors []containerd.Mirror
	if !o.remove {
		if len(o.upstreams) == 0 {
			return nil, errors.New("name the registries whose images are asked for here first with --upstream")
		}
		if mirrors, err = o.mirrorsFor(config); err != nil {
			return nil, err
		}
	}
	of := [][]string{{o.dir}}
	if o.dir == "" {
		if of, err = containerd.Directories(o.root); err != nil {
			return nil, fmt.Errorf("%w (--dir)", err)
		}
	}
	for _, dirs := range of {
		var more []containerd.Edit
		if o.remove {
			more, err = containerd.Remove(dirs, o.upstreams)
		} else {
			more, err = containerd.Add(dirs, o.upstreams, mirrors)
		}
		if err != nil {
			return nil, err
		}
		edits = append(edits, more...)
	}
	return edits, nil
}

func (o hostsOptions) mirrorsFor(config *configuration.Configuration) (all []containerd.Mirror, err error) {
	urls := o.mirrors
	if len(urls) == 0 {
		own, err := ownURL(config)
		if err != nil {
			return nil, err
		}
		urls = []string{own}
	}
	if o.dial <= 0 {
		return nil, fmt.Errorf("--dial-timeout: %s is no time", o.dial)
	}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery+u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("--mirror: %q is no http:// or https:// URL of a registry", text)
		}
		m := containerd.Mirror{URL: strings.TrimSuffix(u.String(), "/"), DialTimeout: o.dial}
		if u.Scheme == "https" && o.ca != "" { // containerd would try TLS first at one with http://
			m.CA = absolute(o.ca)
		}
		all = append(all, m)
	}
	return all, nil
}

// ownURL is where clients on this machine reach the registry.
func ownURL(config *configuration.Configuration) (string, error) {
	at := config.HTTP
	if at.Host != "" {
		return strings.TrimSuffix(at.Host, "/") + strings.TrimSuffix(at.Prefix, "/"), nil
	}
	if at.TLS.Certificate != "" || at.TLS.LetsEncrypt.CacheFile != "" {
		return "", errors.New("set http.host, or name this registry's URL with --mirror, by a name that is in its certificate")
	}
	host, port, err := net.SplitHostPort(at.Addr)
	if err != nil || port == "" || port == "0" || at.Net == "unix" {
		return "", fmt.Errorf("http.addr %q has no port that containerd could reach: name this registry's URL with --mirror", at.Addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + strings.TrimSuffix(at.Prefix, "/"), nil
}

func makeEdit(out io.Writer, e containerd.Edit, dryRun bool) (err error) {
	did, would := "wrote", "would write"
	switch {
	case !e.Changes():
		_, err = fmt.Fprintf(out, "unchanged %s\n", e.Path)
		return err
	case e.After == nil:
		did, would = "removed", "would remove"
	}
	if dryRun {
		_, err = fmt.Fprintf(out, "%s %s\n%s", would, e.Path, e.After)
		return err
	}
	if e.After == nil {
		if err = os.Remove(e.Path); err == nil {
			_ = os.Remove(filepath.Dir(e.Path)) // it fails when something else is in it
		}
	} else {
		err = atomicfile.Write(e.Path, e.After)
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "%s %s\n", did, e.Path)
	}
	return err
}
