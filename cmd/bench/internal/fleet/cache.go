package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// Cache is distribution's own pull-through cache: a registry on the filesystem driver
// before another one, of which it asks by HTTPS what it does not have. A third, which is
// not measured, takes the pushes to the storage of the one behind.
type Cache struct {
	Stock, Behind, Front *Registry
	root                 string // of the front's storage
}

// HTTP/2 is off because Go's is slower: the rival is as good as it can be.
const behindConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, draintimeout: 5s, secret: bench, http2: {disabled: true}, tls: {certificate: %s, key: %s}}
`

const cacheConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, draintimeout: 5s, secret: bench}
proxy: {remoteurl: "https://%s"}
`

// StartCache starts the three; dir is for all that they store.
func StartCache(ctx context.Context, binary, dir string) (c *Cache, err error) {
	c = &Cache{root: dir + "/cache"}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	certificate, key := dir+"/cert.pem", dir+"/key.pem"
	if err := makeCertificate(certificate, key); err != nil {
		return c, err
	}
	if c.Stock, err = StartFilesystem(ctx, binary, dir); err != nil {
		return c, err
	}
	if c.Behind, err = startPlain(ctx, binary, dir, "behind", certificate, func(addr string) string {
		return fmt.Sprintf(behindConfig, dir+"/fs", addr, certificate, key)
	}); err != nil {
		return c, err
	}
	c.Front, err = startPlain(ctx, binary, dir, "cache", certificate, func(addr string) string {
		return fmt.Sprintf(cacheConfig, c.root, addr, c.Behind.HTTP)
	})
	return c, err
}

// startPlain starts a registry without the ipfs driver that trusts the certificate. One that
// speaks HTTPS only answers start's question, too: that it was asked by HTTP.
func startPlain(ctx context.Context, binary, dir, name, certificate string, config func(addr string) string) (*Registry, error) {
	web, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &Registry{Registry: process.Registry{Name: name, Binary: binary, Config: filepath.Join(dir, name+".yml"), HTTP: web,
		Env: []string{"SSL_CERT_FILE=" + certificate}}, Space: lab.Here()}
	if err := os.WriteFile(r.Config, []byte(config(web)), 0o600); err != nil {
		return nil, err
	}
	return r, r.Start(ctx)
}

// Stop ends those that run.
func (c *Cache) Stop() error {
	var errs []error
	for _, r := range []*Registry{c.Front, c.Behind, c.Stock} {
		if r != nil {
			errs = append(errs, r.Stop())
		}
	}
	return errors.Join(errs...)
}

// Settled waits until the cache has stored what its clients have got.
func (c *Cache) Settled(ctx context.Context) error {
	uploads := filepath.Join(c.root, "docker/registry/v2/repositories/bench/_uploads/*")
	err := Await(ctx, Patience, func() bool {
		left, err := filepath.Glob(uploads)
		return err == nil && len(left) == 0
	})
	if err != nil {
		return fmt.Errorf("the cache has not stored everything: %w", err)
	}
	return nil
}

// makeCertificate writes one for 127.0.0.1 that signs itself.
func makeCertificate(certificate, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}
