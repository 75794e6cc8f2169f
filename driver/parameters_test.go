package driver_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

const (
	someKey  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	somePeer = "12D3KooWC3b2KZd6rR8MDcdv7D5L8T6LsX9DxPWULb4eW45Wpgyn"
)

func TestGoodParameters(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want func(*driver.Parameters)
	}{
		"only a key":         {`{protectorkey: "` + someKey + `"}`, func(p *driver.Parameters) { p.ProtectorKey = someKey }},
		"offline needs none": {`{offline: true}`, func(p *driver.Parameters) { p.Offline = true }},
		"empty values":       {`{offline: true, loglevel: , bootstrappers: }`, func(p *driver.Parameters) { p.Offline = true }},
		"list": {`{offline: true, listenaddrs: [/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2]}`, func(p *driver.Parameters) {
			p.Offline, p.ListenAddrs = true, []string{"/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"}
		}},
		"list with commas": {`{offline: true, listenaddrs: "/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2"}`, func(p *driver.Parameters) {
			p.Offline, p.ListenAddrs = true, []string{"/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"}
		}},
		"durations": {`{offline: true, synctimeout: 500ms, fetchtimeout: 1m}`, func(p *driver.Parameters) {
			p.Offline, p.SyncTimeout, p.FetchTimeout = true, time.Second/2, time.Minute
		}},
		"copies": {`{offline: true, replicas: 3, capacity: 500GiB, repairdelay: 2s, repairrate: 10MiB, zone: cellar}`, func(p *driver.Parameters) {
			p.Offline, p.Replicas, p.Capacity, p.RepairDelay, p.RepairRate, p.Zone = true, 3, 500<<30, 2*time.Second, 10<<20, "cellar"
		}},
		"cache": {`{offline: true, cachesize: 1TiB, minfree: "7.5 %"}`, func(p *driver.Parameters) {
			p.Offline, p.CacheSize, p.MinFree = true, 1<<40, driver.Share{Percent: 7.5}
		}},
		"no cache": {`{offline: true, cachesize: 0, minfree: 50GiB}`, func(p *driver.Parameters) {
			p.Offline, p.CacheSize, p.MinFree = true, 0, driver.Share{Bytes: 50 << 30}
		}},
		"nothing free": {`{offline: true, minfree: 0}`, func(p *driver.Parameters) {
			p.Offline, p.MinFree = true, driver.Share{}
		}},
		"copies everywhere": {`{offline: true, replicas: all, capacity: 0}`, func(p *driver.Parameters) {
			p.Offline, p.Replicas, p.Capacity = true, driver.Everywhere, 0
		}},
		"no scrub":         {`{offline: true, scrubinterval: 0}`, func(p *driver.Parameters) { p.Offline, p.ScrubInterval = true, 0 }},
		"a short log":      {`{offline: true, keepchanges: 100}`, func(p *driver.Parameters) { p.Offline, p.KeepChanges = true, 100 }},
		"copies in quotes": {`{offline: true, replicas: "2", capacity: "1.5 TB"}`, func(p *driver.Parameters) { p.Offline, p.Replicas, p.Capacity = true, 2, 15e11 }},
		"hash":             {`{offline: true, hash: blake3}`, func(p *driver.Parameters) { p.Offline, p.Hash = true, "blake3" }},
		"default hash":     {`{offline: true, hash: sha2-256}`, func(p *driver.Parameters) { p.Offline, p.Hash = true, "sha2-256" }},
		"data port": {`{offline: true, dataaddrs: "/ip4/127.0.0.1/tcp/1,/ip6/::1/tcp/1", dataannounceaddrs: [/dns4/a.example.org/tcp/1]}`, func(p *driver.Parameters) {
			p.Offline, p.DataAddrs = true, []string{"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"}
			p.DataAnnounceAddrs = []string{"/dns4/a.example.org/tcp/1"}
		}},
		"no data port":      {`{offline: true, dataaddrs: []}`, func(p *driver.Parameters) { p.Offline, p.DataAddrs = true, []string{} }},
		"nor in text":       {`{offline: true, dataaddrs: ""}`, func(p *driver.Parameters) { p.Offline, p.DataAddrs = true, []string{} }},
		"public, everybody": {`{pubsubtopic: mine, trustedpeers: "*"}`, func(p *driver.Parameters) { p.PubsubTopic, p.TrustedPeers = "mine", []string{"*"} }},
		"bootstrapper without an ID": {`{protectorkeyfile: k, bootstrappers: /dns4/registries/tcp/4619}`, func(p *driver.Parameters) {
			p.ProtectorKeyFile, p.Bootstrappers = "k", []string{"/dns4/registries/tcp/4619"}
		}},
		"bootstrapper": {`{protectorkeyfile: k, bootstrappers: /ip4/192.0.2.1/tcp/4619/p2p/` + somePeer + `}`, func(p *driver.Parameters) {
			p.ProtectorKeyFile, p.Bootstrappers = "k", []string{"/ip4/192.0.2.1/tcp/4619/p2p/" + somePeer}
		}},
		"trusted, log, paths": {`{protectorkeyfile: k, trustedpeers: ` + somePeer + `, loglevel: warn, datastorepath: d}`, func(p *driver.Parameters) {
			p.ProtectorKeyFile, p.TrustedPeers, p.LogLevel, p.DatastorePath = "k", []string{somePeer}, "warn", "d"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := driver.DefaultParameters()
			c.want(&want)
			got, err := driver.ParseParameters(parse(t, c.yaml))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestBadParametersNameTheKey(t *testing.T) {
	for yaml, want := range map[string]string{
		`{}`:                              "pubsubtopic",
		`{pubsubtopic: mine}`:             "trustedpeers",
		`{pubsubtopic: ""}`:               "pubsubtopic",
		`{offline: true, bootstraper: x}`: `did you mean "bootstrappers"`,
		`{protectorkey: "12"}`:            "protectorkey",
		`{protectorkey: 1234567890}`:      "protectorkey: is read as a number, a boolean or a block, not as text: put it in quotes",
		`{protectorkey: "` + someKey + `", protectorkeyfile: k}`:                               "protectorkeyfile",
		`{protectorkey: "` + someKey + `", protectorkeynext: "12"}`:                            "protectorkeynext: is not 32 bytes",
		`{protectorkey: "` + someKey + `", protectorkeynext: "` + someKey + `"}`:               "protectorkeynext: is the same key",
		`{protectorkeyfile: k, protectorkeynext: "` + someKey + `", protectorkeynextfile: nk}`: "protectorkeynextfile; keep one",
		`{offline: true, protectorkeynext: "` + someKey + `"}`:                                 "protectorkeynext: needs protectorkey",
		`{offline: true, protectorkeynextfile: nk}`:                                            "protectorkeynext: needs protectorkey",
		`{offline: true, privatekey: a, privatekeyfile: b}`:                                    "privatekeyfile",
		`{offline: true, listenaddrs: 127.0.0.1:4619}`:                                         "listenaddrs",
		`{offline: true, listenaddrs: []}`:                                                     "listenaddrs",
		`{offline: true, announceaddrs: nowhere}`:                                              "announceaddrs",
		`{offline: true, dataaddrs: 127.0.0.1:4620}`:                                           "dataaddrs",
		`{offline: true, dataaddrs: /ip4/127.0.0.1/udp/4620/quic-v1}`:                          "dataaddrs",
		`{offline: true, dataannounceaddrs: /ip4/127.0.0.1}`:                                   "dataannounceaddrs",

		`{offline: true, bootstrappers: /ip4/192.0.2.1/tcp/1}`:          "bootstrappers: \"/ip4/192.0.2.1/tcp/1\" does not end in /p2p/<peer ID>, as it must without a protector key",
		`{offline: true, trustedpeers: "*,` + somePeer + `"}`:           "trustedpeers",
		`{offline: true, trustedpeers: somebody}`:                       "trustedpeers",
		`{offline: true, allowedpeers: somebody}`:                       "allowedpeers: \"somebody\" is not a peer ID",
		`{offline: true, trustedpeers: "*", trustedpeersfile: f}`:       "trustedpeers: is set together with trustedpeersfile",
		`{offline: true, allowedpeers: "*", allowedpeersfile: f}`:       "allowedpeers: is set together with allowedpeersfile",
		`{pubsubtopic: mine, trustedpeersfile: f, allowedpeersfile: f}`: "allowedpeers: needs a protector key",
		`{offline: true, loglevel: loud}`:                               "loglevel",
		`{offline: true, hash: sha256}`:                                 "hash: \"sha256\"",
		`{offline: true, hash: BLAKE3}`:                                 "hash: \"BLAKE3\"",
		`{offline: true, hash: 3}`:                                      "quotes",
		`{offline: true, synctimeout: soon}`:                            "synctimeout: soon is not a duration: write it with its unit, such as 30s",
		`{offline: true, synctimeout: -1s}`:                             "synctimeout",
		`{offline: true, alonetimeout: -1s}`:                            "alonetimeout",
		`{offline: true, fetchtimeout: 0s}`:                             "fetchtimeout",
		`{offline: true, gcinterval: 1s}`:                               "gcinterval: is less than 1m",
		`{offline: true, gcgrace: -1s}`:                                 "gcgrace",
		`{offline: true, scrubinterval: 1s}`:                            "scrubinterval: is less than 1m",
		`{offline: true, scrubinterval: -1h}`:                           "scrubinterval: is less than 1m",
		`{offline: true, keepchanges: 99}`:                              "keepchanges: is less than 100",
		`{offline: true, fetchtimeout: 30}`:                             "fetchtimeout: 30 is not a duration: write it with its unit",
		`{offline: true, bootstrappers: {a: b}}`:                        "bootstrappers: is not a list: write",
		`{offline: true, trustedpeers: [1]}`:                            "trustedpeers: is not a list: write",
		`{offline: true, datastorepath: ""}`:                            "datastorepath",
		`{offline: true, replicas: some}`:                               "replicas: some is neither a number of copies nor all",
		`{offline: true, replicas: -1}`:                                 "replicas: -1 is neither",
		`{offline: true, replicas: 1.5}`:                                "replicas: 1.5 is neither",
		`{offline: true, replicas: true}`:                               "replicas: true is neither",
		`{offline: true, zone: "a\nb"}`:                                 "zone: is more than 64 bytes, or not printable",
		`{offline: true, zone: 3}`:                                      "zone: is read as a number, a boolean or a block, not as text: put it in quotes",
		`{offline: true, capacity: much}`:                               "capacity: much is not a size: write it with its unit, such as 500GiB",
		`{offline: true, capacity: -5}`:                                 "capacity: -5 is not a size",
		`{offline: true, capacity: 17EB}`:                               "capacity: 17EB is not a size",
		`{offline: true, cachesize: much}`:                              "cachesize: much is not a size: write it with its unit, such as 500GiB",
		`{offline: true, cachesize: -5}`:                                "cachesize: -5 is not a size",
		`{offline: true, minfree: some}`:                                "minfree: some is neither a part of the disk nor a size: write it with its unit, such as 10% or 50GiB",
		`{offline: true, minfree: 10}`:                                  "minfree: 10 is neither a part of the disk nor a size: write it with its unit",
		`{offline: true, minfree: "10"}`:                                "minfree: 10 is neither",
		`{offline: true, cachesize: 500}`:                               "cachesize: 500 is not a size: write it with its unit",
		`{offline: true, capacity: 500}`:                                "capacity: 500 is not a size",
		`{offline: true, repairrate: 67108864}`:                         "repairrate: 67108864 is not a size",
		`{offline: true, minfree: 10 percent}`:                          "minfree: 10 percent is neither",
		`{offline: true, minfree: -1%}`:                                 "minfree: -1% of a disk cannot stay free",
		`{offline: true, minfree: 80%}`:                                 "minfree: 80% of a disk cannot stay free; write up to 50%",
		`{offline: true, minfree: NaN%}`:                                "minfree",
		`{offline: true, minfree: true}`:                                "minfree: true is neither",
		`{offline: true, repairdelay: 10ms}`:                            "repairdelay: is less than 1s",
		`{offline: true, repairrate: 100k}`:                             "repairrate: is less than 1MiB",
		`{offline: perhaps}`:                                            "offline: perhaps is neither true nor false",
	} {
		t.Run(yaml, func(t *testing.T) {
			_, err := driver.ParseParameters(parse(t, yaml))
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not name %s in one line", err, want)
			}
		})
	}
}

// parse reads a block as distribution does.
func parse(t *testing.T, block string) map[string]any {
	t.Helper()
	config, err := configuration.Parse(strings.NewReader("version: 0.1\nstorage:\n  ipfs: " + block + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return config.Storage.Parameters()
}

func TestEnvironmentSetsEveryKey(t *testing.T) {
	values := map[string]string{
		"pubsubtopic": "mine", "protectorkey": someKey, "protectorkeyfile": "swarm.key", "protectorkeynext": strings.Repeat("ab", 32), "protectorkeynextfile": "next.key",
		"listenaddrs": "/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/2", "announceaddrs": "/dns4/a.example.org/tcp/1",
		"dataaddrs": "/ip4/127.0.0.1/tcp/3,/ip4/127.0.0.1/tcp/4", "dataannounceaddrs": "/dns4/a.example.org/tcp/3",
		"bootstrappers": "/ip4/192.0.2.1/tcp/4619/p2p/" + somePeer, "datastorepath": "/data",
		"privatekey": "c2VjcmV0", "privatekeyfile": "peer.key", "trustedpeers": somePeer, "loglevel": "warn",
		"trustedpeersfile": "trusted", "allowedpeers": somePeer, "allowedpeersfile": "allowed",
		"offline": "true", "synctimeout": "3s", "alonetimeout": "5s", "fetchtimeout": "4m0s", "hash": "blake3",
		"name": "registry-a", "memberexpiry": "72h0m0s",
		"replicas": "3", "zone": "rack-1", "capacity": "536870912000B", "repairdelay": "1h30m0s", "repairrate": "104857600B",
		"ackreplicas": "2", "acktimeout": "45s",
		"cachesize": "5000B", "minfree": "12.5%",
		"gc": "false", "gcinterval": "1h0m0s", "gcgrace": "2h0m0s", "gcuntagged": "true", "scrubinterval": "720h0m0s",
		"keepchanges": "500", "debugapi": "true", "relay": "false", "ui": "true",
	}
	for f := range reflect.TypeFor[driver.Parameters]().Fields() {
		key := f.Tag.Get("mapstructure")
		t.Run(key, func(t *testing.T) {
			value, ok := values[key]
			if !ok {
				t.Fatal("this key has no value to be tested with")
			}
			t.Setenv("REGISTRY_STORAGE_IPFS_"+strings.ToUpper(key), value)
			block := "{offline: true}"
			if strings.HasPrefix(key, "protectorkeynext") {
				block = `{protectorkeyfile: swarm.key}`
			}
			if key == "offline" || key == "ackreplicas" {
				block = `{protectorkey: "` + someKey + `"}`
			}
			p, err := driver.ParseParameters(parse(t, block))
			if err != nil {
				t.Fatal(err)
			}
			got := reflect.ValueOf(p).FieldByIndex(f.Index).Interface()
			if list, ok := got.([]string); ok {
				got = strings.Join(list, ",")
			}
			if fmt.Sprint(got) != strings.TrimSuffix(value, "B") { // a size is printed without its unit
				t.Errorf("it is %v, not %s", got, value)
			}
		})
	}
}

func TestExampleConfigurationIsGood(t *testing.T) {
	f, err := os.Open("../config.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	config, err := configuration.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := driver.ParseParameters(config.Storage.Parameters()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../config.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	for f := range reflect.TypeFor[driver.Parameters]().Fields() {
		if key := f.Tag.Get("mapstructure"); !strings.Contains(string(text), key+":") {
			t.Errorf("%s is not explained", key)
		}
	}
}

func TestProtectorKeyFile(t *testing.T) {
	dir := t.TempDir()
	base := drivertest.Parameters(t, drivertest.Key(t))
	base.ProtectorKey = ""
	base.ProtectorKeyFile = filepath.Join(dir, "swarm.key")

	a := drivertest.Start(t, base) // a new swarm makes it
	made, err := os.ReadFile(base.ProtectorKeyFile)
	if err != nil || !strings.HasPrefix(string(made), "/key/swarm/psk/1.0.0/\n/base16/\n") {
		t.Fatalf("%q %v", made, err)
	}
	joining := drivertest.Parameters(t, drivertest.Key(t))
	joining.ProtectorKey, joining.ProtectorKeyFile, joining.Bootstrappers = "", filepath.Join(dir, "missing"), a.Addresses()
	assertNewFails(t, joining, "copy it from a member")

	hexOnly := filepath.Join(dir, "hex")
	if err := os.WriteFile(hexOnly, []byte(strings.Split(string(made), "\n")[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	joining.ProtectorKeyFile = hexOnly
	drivertest.AwaitMesh(t, a, drivertest.Start(t, joining))

	a.Stop()
	if err := os.Remove(base.ProtectorKeyFile); err != nil {
		t.Fatal(err)
	}
	assertNewFails(t, base, "copy it from a member") // its datastore is not new
}

// TestAskingForTheIDLeavesTheDatastoreNew lets an operator ask for a registry's peer ID
// before it begins a swarm, or before it has the key of the one that it joins.
func TestAskingForTheIDLeavesTheDatastoreNew(t *testing.T) {
	dir := t.TempDir()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.ProtectorKey, p.ProtectorKeyFile = "", filepath.Join(dir, "swarm.key")
	id, err := driver.Identify(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	joining := p
	joining.Bootstrappers = []string{"/ip4/127.0.0.1/tcp/1/p2p/" + somePeer}
	assertNewFails(t, joining, "copy it from a member")
	if got := drivertest.Start(t, p).Identity().PeerID; got != id.PeerID {
		t.Errorf("it is %s, and said %s", got, id.PeerID)
	}
	if _, err := os.Stat(p.ProtectorKeyFile); err != nil {
		t.Error(err)
	}
}

// TestDatastoreOfAnotherReleaseIsRefused by everything that opens it.
func TestDatastoreOfAnotherReleaseIsRefused(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	drivertest.Start(t, p).Stop()
	withDatastore(t, p, func(db *datastore.Datastore) { must(t, db.Put(t.Context(), ds.NewKey("/format"), []byte("4"))) })
	assertNewFails(t, p, `datastorepath `+p.DatastorePath+`: written in format "4" by a later release (`+driver.Version()+`), this one reads up to 3: use that release, or a later one`)
	if _, err := driver.Identify(t.Context(), p); err == nil || !strings.Contains(err.Error(), "use that release") {
		t.Errorf("ipfs id: %v", err)
	}
}

func TestPrivateKeyFileKeepsThePeerID(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.PrivateKeyFile = filepath.Join(t.TempDir(), "peer.key")
	a := drivertest.Start(t, p)
	id := a.Identity().PeerID
	a.Stop()
	text, err := os.ReadFile(p.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil {
		t.Fatal(err)
	}
	other := drivertest.Parameters(t, p.ProtectorKey)
	other.PrivateKey = strings.TrimSpace(string(text))
	if got := drivertest.Start(t, other).Identity().PeerID; got != id {
		t.Errorf("peer ID %s, was %s", got, id)
	}
}
