package fleet

import (
	"fmt"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Kind is how the registries of a swarm are configured.
type Kind struct {
	Name     string
	dataPort bool   // bytes travel by TLS on a port of their own, else by libp2p streams
	hash     string // none: the default
	copies   int    // of each blob
	acks     int    // disks that acknowledge a push; up to 1: one
}

// The kinds that are compared.
var (
	ByStreams  = Kind{Name: "libp2p streams"}
	ByDataPort = Kind{Name: "data port", dataPort: true}
	ByBlake3   = Kind{Name: "data port, blake3", dataPort: true, hash: "blake3"}
	Keeping    = Kind{Name: "two copies", dataPort: true, copies: 2}

	// Acknowledging are two registries of which each acknowledges what is on both.
	Acknowledging = Kind{Name: "two disks", dataPort: true, acks: 2}
)

// Known reports whether the driver with which the bench is built supports a kind.
func (k Kind) Known() bool {
	return (!k.dataPort || hasKey("dataaddrs", "")) && (k.hash == "" || hasKey("hash", k.hash))
}

// Slug is the name as a file's.
func (k Kind) Slug() string { return strings.NewReplacer(" ", "-", ",", "").Replace(k.Name) }

func hasKey(key, value string) bool {
	_, err := driver.ParseParameters(map[string]any{"offline": true, key: value})
	return err == nil
}

// Fastest is the kind that a registry is by default.
func Fastest() Kind {
	if ByDataPort.Known() {
		return ByDataPort
	}
	return ByStreams
}

// text is the registry's configuration.
func (k Kind) text(dir, psk, bootstrapper, addr, web, debug string) (string, error) {
	swarm, err := freePort()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
http: {addr: %s, draintimeout: 5s, debug: {addr: "127.0.0.1:%s"}}
storage:
  delete: {enabled: true}
  ipfs:
    datastorepath: %s
    protectorkey: "%s"
    listenaddrs: /ip4/%s/tcp/%s
    bootstrappers: %q
`, web, debug, dir, psk, addr, swarm, bootstrapper)
	if hasKey("dataaddrs", "") {
		data, err := freePort()
		if err != nil {
			return "", err
		}
		listen := ""
		if k.dataPort {
			listen = fmt.Sprintf("/ip4/%s/tcp/%s", addr, data)
		}
		text += fmt.Sprintf("    dataaddrs: %q\n", listen)
	}
	if k.hash != "" {
		text += fmt.Sprintf("    hash: %s\n", k.hash)
	}
	if hasKey("minfree", "0") { // whatever the disk of this machine is like
		text += "    minfree: 0\n"
	}
	if hasKey("replicas", "0") {
		text += fmt.Sprintf("    replicas: %d\n    repairdelay: 1s\n", k.copies)
	}
	if hasKey("repairrate", "0") {
		text += "    repairrate: 0\n" // what is measured is how fast it can be
	}
	if k.acks > 1 {
		text += fmt.Sprintf("    ackreplicas: %d\n", k.acks)
	}
	return text, nil
}
