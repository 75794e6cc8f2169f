package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/atomicfile"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/containerd"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/podman"
)

// hostsOptions are the flags of `ipfs hosts`.
type hostsOptions struct {
	upstreams []string
	mirrors   []string
	ca        string
	dial      time.Duration
	dir, root string
	podman    bool
	remove    bool
	dryRun    bool
	hold      bool
}

func hostsCommand() *cobra.Command {
	var o hostsOptions
	cmd := &cobra.Command{
		Use:   "hosts <config>",
		Short: "Have containerd or Podman on this machine pull from this registry first",
		Long: "Write hosts.toml for containerd, so that images of other registries, the upstreams, are asked for at\n" +
			"this registry first, and at the upstream when it has none or does not run. The files are those of\n" +
			"containerd, k3s, rke2 or Talos, whichever is on this machine. What else is in them stays. containerd\n" +
			"reads them anew with each pull. This registry is asked for the same path: docker.io/library/alpine is\n" +
			"its repository library/alpine, so name only upstreams whose paths are kept here for them.\n\n" +
			"With --podman the same for Podman, Buildah, Skopeo and CRI-O: a file for each upstream below\n" +
			"/etc/containers/registries.conf.d. They read the authority of a mirror's certificate in\n" +
			"/etc/containers/certs.d/<host>:<port>/, and wait two minutes for a mirror on a machine that is switched off.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := o.run(cmd, args)
			if err != nil {
				return fmt.Errorf("ipfs hosts: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.upstreams, "upstream", nil, "registry whose images are asked for here first, such as docker.io, once or more often; _default: all that have no directory")
	flags.StringSliceVar(&o.mirrors, "mirror", nil, "URL at which this registry is reached, and those of further members, in order (default: by http.host, or http.addr on this machine)")
	flags.StringVar(&o.ca, "ca", "", "file with the authority of the mirrors' certificates (default: the system's)")
	flags.DurationVar(&o.dial, "dial-timeout", time.Second, "how long a connection to a mirror may take before the next is tried (containerd 2.1 and later)")
	flags.StringVar(&o.dir, "dir", "", "directory of containerd's config_path (default: what its configuration names)")
	flags.StringVar(&o.root, "root", "/", "where the machine's root directory is, for a container that has it mounted")
	flags.BoolVar(&o.podman, "podman", false, "registries.conf.d of Podman, Buildah, Skopeo and CRI-O instead")
	flags.BoolVar(&o.remove, "remove", false, "take out what was written, for the upstreams that are named, or for all")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only print what would be written")
	for _, of := range []string{"ca", "dial-timeout", "dir"} {
		cmd.MarkFlagsMutuallyExclusive("podman", of)
	}
	flags.BoolVar(&o.hold, "until-stopped", false, "write, wait for SIGTERM, and take out again what was written: for a container beside the registry's")
	cmd.MarkFlagsMutuallyExclusive("until-stopped", "remove")
	cmd.MarkFlagsMutuallyExclusive("until-stopped", "dry-run")
	return cmd
}

// run makes the edits, and with hold takes them back when it is told to end.
func (o hostsOptions) run(cmd *cobra.Command, args []string) error {
	ctx, stop := interruptible(cmd)
	defer stop() // before anything is written, so that it is taken out in any case
	if o.hold {
		if err := o.takeLeftOver(cmd, args); err != nil {
			return err
		}
	}
	if err := o.make(cmd, args); err != nil || !o.hold {
		return err
	}
	<-ctx.Done()
	o.remove = true // of the upstreams that it wrote: those of others, and of an operator, stay
	return o.make(cmd, args)
}

// takeLeftOver takes out what one before that was killed, or whose machine was, has left of this registry for upstreams
// that are no longer named: nothing else would. What it left for those that are named stays, so that no pull misses
// it, and so does what another registry's has written, or an operator to be there for good.
func (o hostsOptions) takeLeftOver(cmd *cobra.Command, args []string) error {
	edits, err := o.edits(args)
	if err != nil {
		return err
	}
	config, err := readConfig(args)
	if err != nil {
		return err
	}
	mirrors, err := o.mirrorURLs(config)
	if err != nil {
		return err
	}
	all := o
	all.remove, all.upstreams = true, nil
	left, err := all.edits(args)
	for _, e := range left {
		again := slices.ContainsFunc(edits, func(of atomicfile.Edit) bool { return of.Path == e.Path })
		if !again && takesOut(e, mirrors[0].Host) {
			err = errors.Join(err, makeEdit(cmd.OutOrStdout(), e, false))
		}
	}
	if err != nil { // of files that are about other registries, which keep none from what is named
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "registry: ipfs hosts: left as it is:", err)
	}
	return nil
}

// untilStopped is the comment on a mirror that is taken out when its writer ends.
const untilStopped = "# until `registry ipfs hosts --until-stopped` ends"

func (o hostsOptions) comment() string {
	if o.hold {
		return untilStopped
	}
	return ""
}

// takesOut reports whether an edit removes a mirror at a host that was to be there until its writer ends.
func takesOut(e atomicfile.Edit, host string) bool {
	for _, after := range []string{`"] `, `" `} { // a URL in hosts.toml, a location in registries.conf
		mirror := []byte(host + after + untilStopped + "\n")
		if bytes.Contains(e.Before, mirror) && !bytes.Contains(e.After, mirror) {
			return true
		}
	}
	return false
}

func (o hostsOptions) make(cmd *cobra.Command, args []string) error {
	edits, err := o.edits(args)
	if err != nil && !o.remove {
		return err
	}
	for _, e := range edits {
		err = errors.Join(err, makeEdit(cmd.OutOrStdout(), e, o.dryRun))
		if err != nil && !o.remove {
			return err
		}
	}
	return err
}

// edits are what the options ask for. With an error there are those that can be made all the same.
func (o hostsOptions) edits(args []string) ([]atomicfile.Edit, error) {
	config, err := readConfig(args) // of http alone: what is stored, and where, does not matter
	if err != nil {
		return nil, err
	}
	var mirrors []*url.URL
	if !o.remove {
		if len(o.upstreams) == 0 {
			return nil, errors.New("name the registries whose images are asked for here first with --upstream")
		}
		if mirrors, err = o.mirrorURLs(config); err != nil {
			return nil, err
		}
	}
	if o.podman {
		return o.podmanEdits(mirrors)
	}
	return o.containerdEdits(mirrors)
}

func (o hostsOptions) containerdEdits(urls []*url.URL) (edits []atomicfile.Edit, err error) {
	if o.dial <= 0 {
		return nil, fmt.Errorf("--dial-timeout: %s is no time", o.dial)
	}
	var mirrors []containerd.Mirror
	for _, u := range urls {
		m := containerd.Mirror{URL: u.String(), DialTimeout: o.dial, Comment: o.comment()}
		if u.Scheme == "https" && o.ca != "" { // containerd would try TLS first at one with http://
			m.CA = absolute(o.ca)
		}
		mirrors = append(mirrors, m)
	}
	var errs []error
	of := [][]string{{o.dir}}
	if o.dir == "" {
		if of, err = containerd.Directories(o.root); err != nil {
			return nil, fmt.Errorf("%w (--dir)", err)
		}
	}
	for _, dirs := range of {
		var more []atomicfile.Edit
		if o.remove {
			more, err = containerd.Remove(dirs, o.upstreams)
		} else {
			more, err = containerd.Add(dirs, o.upstreams, mirrors)
		}
		edits, errs = append(edits, more...), append(errs, err)
	}
	return edits, errors.Join(errs...)
}

func (o hostsOptions) podmanEdits(urls []*url.URL) ([]atomicfile.Edit, error) {
	if o.remove {
		return podman.Remove(o.root, o.upstreams)
	}
	var mirrors []podman.Mirror
	for _, u := range urls {
		if u.Path != "" {
			return nil, fmt.Errorf("--mirror: Podman and CRI-O look for a registry at / of a host, not at %s", u)
		}
		mirrors = append(mirrors, podman.Mirror{Location: u.Host, Insecure: u.Scheme == "http", Comment: o.comment()})
	}
	return podman.Add(o.root, o.upstreams, mirrors)
}

// mirrorURLs are those of the registries that are to be asked first, in order.
func (o hostsOptions) mirrorURLs(config *configuration.Configuration) (all []*url.URL, err error) {
	if len(o.mirrors) == 0 {
		own, listens, err := ownURL(config)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: name this registry's URL with --mirror", err)
		case listens && own.Scheme == "https":
			return nil, errors.New("set http.host, or name this registry's URL with --mirror, by a name that is in its certificate")
		}
		return []*url.URL{own}, nil
	}
	for _, text := range o.mirrors {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery+u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("--mirror: %q is no http:// or https:// URL of a registry", text)
		}
		u.Path = strings.TrimSuffix(u.Path, "/")
		all = append(all, u)
	}
	return all, nil
}

func makeEdit(out io.Writer, e atomicfile.Edit, dryRun bool) (err error) {
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
	err = e.Make()
	if err == nil {
		_, err = fmt.Fprintf(out, "%s %s\n", did, e.Path)
	}
	return err
}
