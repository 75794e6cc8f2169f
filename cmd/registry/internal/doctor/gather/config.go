package gather

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// leastSecret is how many bytes a secret has that nobody guesses.
const leastSecret = 16

// manuals are the secrets that distribution's manuals and examples have.
var manuals = []string{"asecretforlocaldevelopment", "a-secret-for-local-development", "changeme-changeme"}

// Config is what the checks ask of a configuration that can be used.
func Config(config *configuration.Configuration, p driver.Parameters) doctor.Config {
	c := doctor.Config{HTTPHost: config.HTTP.Host, DataAddrs: p.DataAddrs, Hash: p.Hash, TLS: certificate(config, p.DatastorePath)}
	if s := config.HTTP.Secret; s != "" {
		c.WeakSecret = len(s) < leastSecret || slices.Contains(manuals, strings.ToLower(s))
	}
	if kind := config.Storage["cache"]["blobdescriptor"]; kind != nil {
		c.DescriptorCache = fmt.Sprint(kind)
	}
	return c
}

// certificate is what clients are shown; nil when that is none of a file.
func certificate(config *configuration.Configuration, datastore string) *doctor.TLS {
	of := config.HTTP.TLS
	if of.Certificate == "" && of.Key == "" {
		return nil
	}
	t := &doctor.TLS{Path: of.Certificate, Exposed: exposed(of.Key), Covers: true}
	pair, err := tls.LoadX509KeyPair(of.Certificate, of.Key)
	if errors.Is(err, fs.ErrPermission) {
		t.Unknown = foreign(datastore)
	}
	if t.Unknown != "" {
		return t
	}
	if err != nil {
		t.Trouble = err.Error()
		return t
	}
	leaf := pair.Leaf
	t.From, t.To, t.Names = leaf.NotBefore, leaf.NotAfter, leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		t.Names = append(t.Names, ip.String())
	}
	if u, err := url.Parse(config.HTTP.Host); err == nil && u.Hostname() != "" {
		t.Covers = leaf.VerifyHostname(u.Hostname()) == nil
	}
	return t
}
