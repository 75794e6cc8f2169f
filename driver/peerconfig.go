package driver

import (
	"errors"
	"fmt"
	"os"
	"slices"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// name is the name by which others show this registry; "" when it has none.
func (p Parameters) name() string {
	if p.Name != "" {
		return p.Name
	}
	if host, err := os.Hostname(); err == nil && peer.ValidName(host) {
		return host
	}
	return ""
}

// peerConfig parses the configuration of the network.
func (p Parameters) peerConfig() (cfg peer.Config, err error) {
	cfg.Topic, cfg.Name, cfg.Capabilities = p.PubsubTopic, p.name(), capabilities()
	cfg.MemberExpiry = p.MemberExpiry
	if cfg.Listen, err = multiaddrs("listenaddrs", p.ListenAddrs); err != nil {
		return cfg, err
	}
	if cfg.Announce, err = multiaddrs("announceaddrs", p.AnnounceAddrs); err != nil {
		return cfg, err
	}
	if cfg.DataListen, err = dataAddrs("dataaddrs", p.DataAddrs); err != nil {
		return cfg, err
	}
	if cfg.DataAnnounce, err = dataAddrs("dataannounceaddrs", p.DataAnnounceAddrs); err != nil {
		return cfg, err
	}
	cfg.DataAnyPort = slices.Equal(p.DataAddrs, []string{defaultDataAddr})
	bootstrappers, err := multiaddrs("bootstrappers", p.Bootstrappers)
	if err != nil {
		return cfg, err
	}
	if cfg.Bootstrappers, err = libpeer.AddrInfosFromP2pAddrs(bootstrappers...); err != nil {
		return cfg, fmt.Errorf("bootstrappers: an address does not end in /p2p/<peer ID>; copy it from `registry ipfs id` of a member")
	}
	if !p.isPrivate() {
		cfg.DHTPeers = ipfslite.DefaultBootstrapPeers()
	}
	cfg.Trusted, err = p.trusted()
	return cfg, err
}

func multiaddrs(key string, list []string) ([]multiaddr.Multiaddr, error) {
	var addrs []multiaddr.Multiaddr
	for _, s := range list {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a multiaddr such as /ip4/192.0.2.1/tcp/4619", key, s)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

func dataAddrs(key string, list []string) ([]multiaddr.Multiaddr, error) {
	addrs, err := multiaddrs(key, list)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if !peer.IsDataAddr(a) {
			return nil, fmt.Errorf("%s: %q is not a host and a TCP port, such as %s", key, a, defaultDataAddr)
		}
	}
	return addrs, nil
}

func (p Parameters) trusted() ([]libpeer.ID, error) {
	var ids []libpeer.ID
	for _, s := range p.TrustedPeers {
		if s == "*" {
			if len(p.TrustedPeers) > 1 {
				return nil, errors.New(`trustedpeers: "*" means everybody and stands alone`)
			}
			return nil, nil
		}
		id, err := libpeer.Decode(s)
		if err != nil {
			return nil, fmt.Errorf("trustedpeers: %q is not a peer ID such as 12D3KooW…; `registry ipfs id` prints it", s)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
