package main

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

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// cache is distribution's own pull-through cache: a registry on the filesystem driver
// before another one, of which it asks by HTTPS what it does not have. A third, which is
// not measured, takes the pushes to the storage of the one behind.
type cache struct {
	stock, behind, front *registry
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

func startCache(ctx context.Context, binary, dir string) (c *cache, err error) {
	c = &cache{root: dir + "/cache"}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	certificate, key := dir+"/cert.pem", dir+"/key.pem"
	if err := makeCertificate(certificate, key); err != nil {
		return c, err
	}
	if c.stock, err = startFilesystem(ctx, binary, dir); err != nil {
		return c, err
	}
	if c.behind, err = startPlain(ctx, binary, dir, "behind", certificate, func(addr string) string {
		return fmt.Sprintf(behindConfig, dir+"/fs", addr, certificate, key)
	}); err != nil {
		return c, err
	}
	c.front, err = startPlain(ctx, binary, dir, "cache", certificate, func(addr string) string {
		return fmt.Sprintf(cacheConfig, c.root, addr, c.behind.HTTP)
	})
	return c, err
}

// startPlain starts a registry without the ipfs driver that trusts the certificate. One that
// speaks HTTPS only answers start's question, too: that it was asked by HTTP.
func startPlain(ctx context.Context, binary, dir, name, certificate string, config func(addr string) string) (*registry, error) {
	web, err := loopback.FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &registry{Registry: process.Registry{Name: name, Config: filepath.Join(dir, name+".yml"), HTTP: web, Env: []string{"SSL_CERT_FILE=" + certificate}}}
	if err := os.WriteFile(r.Config, []byte(config(web)), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, lab.Here(), binary, r)
}

func (c *cache) stop() error {
	var errs []error
	for _, r := range []*registry{c.front, c.behind, c.stock} {
		if r != nil {
			errs = append(errs, r.stop())
		}
	}
	return errors.Join(errs...)
}

// settled waits until the cache has stored what its clients have got.
func (c *cache) settled(ctx context.Context) error {
	uploads := filepath.Join(c.root, "docker/registry/v2/repositories/bench/_uploads/*")
	err := await(ctx, patience, func() bool {
		left, err := filepath.Glob(uploads)
		return err == nil && len(left) == 0
	})
	if err != nil {
		return fmt.Errorf("the cache still stores: %w", err)
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
