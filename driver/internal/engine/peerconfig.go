package engine

import (
	"fmt"
	"os"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// Check holds the rules of those values that only the swarm understands. It needs no file
// and no network.
func (c Config) Check() error {
	if !peer.ValidName(c.Name) {
		return fmt.Errorf("name: is more than %d bytes, or not printable", peer.MaxName)
	}
	if !peer.ValidName(c.Zone) {
		return fmt.Errorf("zone: is more than %d bytes, or not printable", peer.MaxName)
	}
	if _, err := c.peerConfig(); err != nil {
		return err
	}
	c.TrustedPeersFile, c.AllowedPeersFile = "", ""
	_, err := c.lists()
	return err
}

// name is the name by which others show this registry; "" when it has none.
func (c Config) name() string {
	if c.Name != "" {
		return c.Name
	}
	if host, err := os.Hostname(); err == nil && peer.ValidName(host) {
		return host
	}
	return ""
}

// peerConfig parses the configuration of the network.
func (c Config) peerConfig() (cfg peer.Config, err error) {
	cfg.Topic, cfg.Name, cfg.Capabilities = c.Topic, c.name(), c.capabilities()
	cfg.MemberExpiry, cfg.Relay = c.MemberExpiry, c.Relay
	if cfg.Listen, err = multiaddrs("listenaddrs", c.ListenAddrs); err != nil {
		return cfg, err
	}
	if cfg.Announce, err = multiaddrs("announceaddrs", c.AnnounceAddrs); err != nil {
		return cfg, err
	}
	if cfg.DataListen, err = dataAddrs("dataaddrs", c.DataAddrs); err != nil {
		return cfg, err
	}
	if cfg.DataAnnounce, err = dataAddrs("dataannounceaddrs", c.DataAnnounceAddrs); err != nil {
		return cfg, err
	}
	cfg.DataAnyPort = c.DataAnyPort
	bootstrappers, err := multiaddrs("bootstrappers", c.Bootstrappers)
	if err != nil {
		return cfg, err
	}
	var named []multiaddr.Multiaddr
	for _, a := range bootstrappers {
		switch _, id := libpeer.SplitAddr(a); {
		case id != "":
			named = append(named, a)
		case !c.Private():
			return cfg, fmt.Errorf("bootstrappers: %q does not end in /p2p/<peer ID>, as it must without a protector key; copy it from `registry ipfs id` of a member", a)
		default:
			cfg.Seeds = append(cfg.Seeds, a)
		}
	}
	if cfg.Bootstrappers, err = libpeer.AddrInfosFromP2pAddrs(named...); err != nil {
		return cfg, fmt.Errorf("bootstrappers: %w", err)
	}
	if !c.Private() {
		cfg.DHTPeers = ipfslite.DefaultBootstrapPeers()
	}
	return cfg, nil
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
			return nil, fmt.Errorf("%s: %q is not a host and a TCP port, such as /ip4/0.0.0.0/tcp/4620", key, a)
		}
	}
	return addrs, nil
}
