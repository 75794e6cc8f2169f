package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
)

// ownURL is where clients on this machine reach the registry: http.host, or where it listens. listens says
// that it is the latter, whose name a certificate need not have.
func ownURL(config *configuration.Configuration) (at *url.URL, listens bool, err error) {
	of := config.HTTP
	if of.Host != "" {
		at, err = url.Parse(of.Host)
		if err == nil && at.Host == "" {
			err = fmt.Errorf("%q is no URL", of.Host)
		}
		if err != nil {
			return nil, false, fmt.Errorf("http.host: %w", err)
		}
	} else {
		at = &url.URL{Scheme: "http"}
		if of.TLS.Certificate != "" || of.TLS.LetsEncrypt.CacheFile != "" {
			at.Scheme = "https"
		}
		at.Host, err = reached(of.Addr)
		if err == nil && of.Net == "unix" {
			err = errors.New("it is a socket of this machine's files")
		}
		if err != nil {
			return nil, false, fmt.Errorf("http.addr: %w", err)
		}
	}
	at.Path = strings.TrimSuffix(at.Path, "/") + strings.TrimSuffix(of.Prefix, "/")
	return at, of.Host == "", nil
}

// reached is where this machine reaches what listens at an address, which may be of no interface in particular.
func reached(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if port == "" || port == "0" {
		return "", fmt.Errorf("%q names no port", addr)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() && ip.To4() == nil {
		return net.JoinHostPort(net.IPv6loopback.String(), port), nil
	} else if host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port), nil
	}
	return addr, nil
}

// isThisMachine reports whether a host is this machine by its name alone: clients speak plain HTTP to it.
func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
