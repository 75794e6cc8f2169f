package gather

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/containerd"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/podman"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// probeTime is how long a host that a file names may take to answer.
const probeTime = 5 * time.Second

// addresses are those at which clients reach a registry.
type addresses struct {
	port string // of http.addr, on this machine
	host string // of http.host, with its port; "": it is unset
	// others are the keys of its ports that are for no client.
	others map[string]string
}

func addressesOf(config *configuration.Configuration, p driver.Parameters) (a addresses) {
	a.others = map[string]string{}
	note := func(key string, multiaddrs []string) {
		for _, text := range multiaddrs {
			if _, address, ok := tcpOf(text); ok {
				a.others[portOf(address)] = key
			}
		}
	}
	note("dataaddrs", p.DataAddrs)
	note("listenaddrs", p.ListenAddrs)
	a.others[portOf(config.HTTP.Debug.Addr)] = "http.debug.addr"
	a.port = portOf(config.HTTP.Addr)
	for _, none := range []string{"", "0", a.port} {
		delete(a.others, none)
	}
	if u, err := url.Parse(config.HTTP.Host); err == nil && u.Host != "" {
		a.host = withPort(u)
	}
	return a
}

// portOf is the port of an address; "" when it has none.
func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// mistaken is why a host of a file is no way to this registry, though it is meant to be one; "" when
// it is one, or leads elsewhere.
func (a addresses) mistaken(h containerd.Host) string {
	here, _ := a.lead(h.URL)
	key := a.others[portOf(withPort(h.URL))]
	switch {
	case here && !h.Pulls:
		return h.URL.String() + " lacks one of the capabilities pull and resolve"
	case !here && key != "" && isLocal(h.URL.Hostname()):
		return h.URL.String() + " is a port of " + key + ", not of http.addr"
	}
	return ""
}

// misnamed is why no image of this registry is pulled by a file of that name; "" when it may be.
func (a addresses) misnamed(of string) string {
	host, port, err := net.SplitHostPort(a.host)
	if err != nil || port == "80" || port == "443" || !strings.EqualFold(of, host) {
		return ""
	}
	return "it is about images of " + of + ", and those of this registry are " + net.JoinHostPort(of, port) + "/…"
}

// lead reports whether a URL leads to the registry, and whether it does so on this machine.
func (a addresses) lead(u *url.URL) (here, local bool) {
	host, port, err := net.SplitHostPort(withPort(u))
	if err != nil {
		return false, false
	}
	local = port == a.port && isLocal(host)
	return local || withPort(u) == a.host, local
}

func withPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return strings.ToLower(u.Host)
	case u.Scheme == "http":
		return net.JoinHostPort(strings.ToLower(u.Hostname()), "80")
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), "443")
}

// isLocal reports whether a host is this machine, without asking anybody.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	if ip == nil {
		name, err := os.Hostname()
		return host == "localhost" || err == nil && strings.EqualFold(host, name)
	}
	if ip.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}

// mirrors are the files of containerd, Podman and CRI-O that lead to a registry, and those that cannot be
// read. The hosts are asked only while the registry runs.
func mirrors(ctx context.Context, root string, a addresses, runs bool) (all []doctor.Mirror) {
	for _, f := range append(containerd.Files(root), podman.Files(root)...) {
		m := doctor.Mirror{Path: f.Path, Of: f.Of, Alone: !f.Itself}
		if f.Err != nil {
			m.Trouble = strings.TrimSpace(f.Err.Error())
		}
		if why := a.misnamed(f.Of); why != "" {
			m.Wrong = append(m.Wrong, why)
		}
		for _, h := range f.Hosts {
			here, local := a.lead(h.URL)
			m.Alone = m.Alone && local
			if why := a.mistaken(h); why != "" {
				m.Wrong = append(m.Wrong, why)
				continue
			}
			if !here {
				continue
			}
			of := doctor.MirrorHost{URL: h.URL.String()}
			if runs {
				if err := probe(ctx, h); err != nil {
					of.Trouble = err.Error()
				}
			}
			m.Hosts = append(m.Hosts, of)
		}
		if len(m.Hosts)+len(m.Wrong) > 0 || m.Trouble != "" {
			m.IgnoredBy = f.IgnoredBy
			all = append(all, m)
		}
	}
	return all
}

// probe asks a host as those who pull do first. Where any certificate will do, it only connects.
func probe(ctx context.Context, h containerd.Host) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if h.Insecure {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", withPort(h.URL))
		if err != nil {
			return err
		}
		return c.Close()
	}
	roots, err := authorities(h.CA)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL.Scheme+"://"+h.URL.Host+h.API+"/", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	resp, err := client.Do(req)
	if err != nil {
		return errors.Unwrap(err) // without the URL
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("it answers %s/ with %s, as no registry does", h.API, resp.Status)
	}
	return nil
}

// authorities are those of some files; nil, the system's, when there is none.
func authorities(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !roots.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("%s: no certificate in PEM", file)
		}
	}
	return roots, nil
}
