package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/apicopy"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// copyOptions say from where images are copied, and to where.
type copyOptions struct {
	from, to string
	replace  bool
}

// copyFrom pulls images from another registry, and pushes them to this one.
func copyFrom(cmd *cobra.Command, config, repositories []string, api copyOptions, dryRun, asJSON bool) error {
	read, _, err := readBoth(config)
	if err != nil {
		return err
	}
	from, err := apicopy.At(api.from, nil)
	if err != nil {
		return fmt.Errorf("ipfs import: --from %w", err)
	}
	to, err := thisRegistry(read, api.to)
	if err != nil {
		return fmt.Errorf("ipfs import: %w", err)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	show := newMovingShow(cmd.ErrOrStderr())
	r, err := apicopy.Copy(ctx, from, to, apicopy.Options{
		Repositories: repositories, Replace: api.replace, DryRun: dryRun, Listed: driver.MostListed,
	}, func(at apicopy.Progress) {
		show.tell(fmt.Sprintf("looked at %d of %s, %s came", at.Done, counted(at.Of, "tag"), bytesText(at.Came)), int64(at.Done), int64(at.Of))
	})
	show.end()
	switch {
	case ctx.Err() != nil:
		return errors.New("ipfs import: interrupted: what was imported stays; run it again to go on")
	case err != nil:
		return fmt.Errorf("ipfs import: %w", err)
	case asJSON:
		err = printJSON(cmd.OutOrStdout(), r)
	default:
		err = printCopied(cmd.OutOrStdout(), api.from, r, dryRun)
	}
	if err == nil && r.FaultCount > 0 {
		err = fmt.Errorf("ipfs import: %s could not be imported", counted(r.FaultCount, "image"))
	}
	return err
}

// thisRegistry is where clients reach the registry of a configuration from this machine.
func thisRegistry(config *configuration.Configuration, at string) (apicopy.Registry, error) {
	certificate, local := config.HTTP.TLS.Certificate, false
	if at == "" {
		u, listens, err := ownURL(config)
		if err != nil || u.Path != "" {
			return apicopy.Registry{}, errors.New("say with --to where this registry is reached, as https://<host>[:<port>]")
		}
		at, local = u.String(), listens
	}
	if certificate == "" {
		return apicopy.At(at, nil)
	}
	roots, of, err := certificatesOf(certificate)
	if err != nil {
		return apicopy.Registry{}, fmt.Errorf("http.tls.certificate: %w", err)
	}
	return apicopy.At(at, func(t *http.Transport) { t.TLSClientConfig = trusting(roots, of, local) })
}

// certificatesOf reads the certificates that this registry shows, and the names of the first.
func certificatesOf(file string) (*x509.CertPool, *x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, nil, fmt.Errorf("%s holds no certificate", file)
	}
	first, err := firstCertificate(content)
	return roots, first, err
}

// trusting also trusts the certificate that this registry is configured with; where the registry is
// reached on this machine, which has another name, under the name that the certificate has.
func trusting(roots *x509.CertPool, of *x509.Certificate, local bool) *tls.Config {
	c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	switch {
	case !local:
	case len(of.DNSNames) > 0:
		c.ServerName = of.DNSNames[0]
	case len(of.IPAddresses) > 0:
		c.ServerName = of.IPAddresses[0].String()
	}
	return c
}

func printCopied(out io.Writer, from string, r apicopy.Result, dryRun bool) error {
	sec := section{title: "IMPORTED  " + printable(from)}
	copied := "imported"
	if dryRun {
		sec.title, copied = "TO IMPORT  "+printable(from)+"; nothing was changed", "to import"
	}
	sec.field("looked at", "%s; here already: %s", counted(r.Repositories, "repository"), counted(r.Same, "tag"))
	sec.field(copied, "%s, with what they lead to", counted(r.Copied, "tag"))
	secs := []section{sec}
	if r.KeptCount > 0 {
		kept := section{title: fmt.Sprintf("KEPT  %s, which lead elsewhere there; --replace sets them anew", counted(r.KeptCount, "tag"))}
		kept.row("TAG", "HERE", "THERE")
		for _, t := range r.Kept[:min(len(r.Kept), mostFaults)] {
			kept.row(printable(t.Name), t.Here, t.There)
		}
		secs = append(secs, kept)
	}
	if r.FaultCount > 0 {
		lost := section{title: "NOT IMPORTED  " + counted(r.FaultCount, "image")}
		lost.row("IMAGE", "WHY")
		for _, f := range r.Faults[:min(len(r.Faults), mostFaults)] {
			lost.row(printable(f.Name), printable(f.Reason))
		}
		secs = append(secs, lost)
	}
	return printSections(out, secs)
}

// firstCertificate is the one that a server shows as its own, of those in a PEM file.
func firstCertificate(content []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("no certificate")
}
