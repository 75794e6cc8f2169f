package driver

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/go-viper/mapstructure/v2"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// Parameters are the keys of the `ipfs:` block. docs/configuration.md explains
// each. Start from DefaultParameters or ParseParameters.
type Parameters struct {
	Name                 string        `mapstructure:"name"` // empty: the host's
	PubsubTopic          string        `mapstructure:"pubsubtopic"`
	ProtectorKey         string        `mapstructure:"protectorkey"` // 32 bytes in hex
	ProtectorKeyFile     string        `mapstructure:"protectorkeyfile"`
	ProtectorKeyNext     string        `mapstructure:"protectorkeynext"` // likewise, while the key is changed
	ProtectorKeyNextFile string        `mapstructure:"protectorkeynextfile"`
	ListenAddrs          []string      `mapstructure:"listenaddrs"`
	AnnounceAddrs        []string      `mapstructure:"announceaddrs"`
	DataAddrs            []string      `mapstructure:"dataaddrs"` // empty: no data port
	DataAnnounceAddrs    []string      `mapstructure:"dataannounceaddrs"`
	Bootstrappers        []string      `mapstructure:"bootstrappers"`
	Relay                bool          `mapstructure:"relay"` // trusted members that cannot reach each other may meet by way of this registry
	DatastorePath        string        `mapstructure:"datastorepath"`
	PrivateKey           string        `mapstructure:"privatekey"` // libp2p key in base64
	PrivateKeyFile       string        `mapstructure:"privatekeyfile"`
	TrustedPeers         []string      `mapstructure:"trustedpeers"`
	TrustedPeersFile     string        `mapstructure:"trustedpeersfile"`
	AllowedPeers         []string      `mapstructure:"allowedpeers"`
	AllowedPeersFile     string        `mapstructure:"allowedpeersfile"`
	LogLevel             string        `mapstructure:"loglevel"`
	MemberExpiry         time.Duration `mapstructure:"memberexpiry"`
	Offline              bool          `mapstructure:"offline"`
	SyncTimeout          time.Duration `mapstructure:"synctimeout"`
	AloneTimeout         time.Duration `mapstructure:"alonetimeout"`
	FetchTimeout         time.Duration `mapstructure:"fetchtimeout"`
	Hash                 string        `mapstructure:"hash"` // empty: what the swarm uses
	Replicas             Copies        `mapstructure:"replicas"`
	Zone                 string        `mapstructure:"zone"`
	Capacity             Bytes         `mapstructure:"capacity"`
	RepairDelay          time.Duration `mapstructure:"repairdelay"`
	RepairRate           Bytes         `mapstructure:"repairrate"` // a second; 0: unbounded
	AckReplicas          int           `mapstructure:"ackreplicas"`
	AckTimeout           time.Duration `mapstructure:"acktimeout"`
	CacheSize            Bytes         `mapstructure:"cachesize"`
	MinFree              Share         `mapstructure:"minfree"`
	GC                   bool          `mapstructure:"gc"`
	GCInterval           time.Duration `mapstructure:"gcinterval"`
	GCGrace              time.Duration `mapstructure:"gcgrace"`
	GCUntagged           bool          `mapstructure:"gcuntagged"`
	ScrubInterval        time.Duration `mapstructure:"scrubinterval"`
	KeepChanges          int           `mapstructure:"keepchanges"`
	DebugAPI             bool          `mapstructure:"debugapi"` // Driver.API is to be served by the registry's debug server
	UI                   bool          `mapstructure:"ui"`       // the registry's page is to be served to its clients
}

// defaultDataAddr is where members fetch blobs. Only this default may give way to another
// port, so that several registries on one machine need no configuration.
const defaultDataAddr = "/ip4/0.0.0.0/tcp/4620"

// defaultTopic is refused on the public network, where strangers may use it, too.
const defaultTopic = "ipfs-registry"

// leastChanges is the least that keepchanges may be.
const leastChanges = 100

// DefaultParameters are those of a registry with an empty `ipfs:` block.
func DefaultParameters() Parameters {
	return Parameters{
		PubsubTopic:   defaultTopic,
		ListenAddrs:   []string{"/ip4/0.0.0.0/tcp/4619"},
		DataAddrs:     []string{defaultDataAddr},
		Relay:         true,
		DatastorePath: "/var/lib/registry/ipfs",
		MemberExpiry:  engine.DefaultMemberExpiry,
		SyncTimeout:   2 * time.Second,
		AloneTimeout:  10 * time.Second,
		FetchTimeout:  30 * time.Second,
		Replicas:      2,
		Capacity:      DiskSize,
		RepairDelay:   time.Hour,
		RepairRate:    64 << 20,
		AckReplicas:   1,
		AckTimeout:    30 * time.Second,
		CacheSize:     NoLimit,
		MinFree:       Share{Percent: 10},
		GC:            true,
		GCInterval:    6 * time.Hour,
		GCGrace:       24 * time.Hour,
		ScrubInterval: 30 * 24 * time.Hour,
		KeepChanges:   engine.DefaultKeepChanges,
	}
}

// ParseParameters reads the `ipfs:` block as distribution hands it over: lists
// are YAML lists or comma-separated, durations are written "2s", sizes "500GiB". The error names
// the key and what to do.
func ParseParameters(m map[string]any) (Parameters, error) {
	p := DefaultParameters()
	if err := checkKeys(m); err != nil {
		return p, fmt.Errorf("ipfs: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if m[key] == nil { // a key without a value means the default
			continue
		}
		if err := p.set(key, m[key]); err != nil {
			return p, fmt.Errorf("ipfs: %s: %w", strings.ToLower(key), err)
		}
	}
	if err := p.check(); err != nil {
		return p, fmt.Errorf("ipfs: %w", err)
	}
	return p, nil
}

// set decodes one key's value. It never turns a number into text: YAML reads some unquoted
// hex as a number, and turning that back into text would give another secret.
func (p *Parameters) set(key string, value any) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: p,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			onlyText, amounts, shares, mapstructure.StringToTimeDurationHookFunc(), commaList,
		),
	})
	if err != nil {
		return err
	}
	if err := decoder.Decode(map[string]any{key: value}); err != nil {
		return wrongType(key, value) // the decoder's own words are for programmers
	}
	return nil
}

// wrongType describes what a key's value has to look like. It shows no value that may be a
// secret.
func wrongType(key string, value any) error {
	var want reflect.Type
	for f := range reflect.TypeFor[Parameters]().Fields() {
		if strings.EqualFold(f.Tag.Get("mapstructure"), key) {
			want = f.Type
		}
	}
	switch want {
	case reflect.TypeFor[bool]():
		return fmt.Errorf("%v is neither true nor false", value)
	case reflect.TypeFor[time.Duration]():
		return fmt.Errorf("%v is not a duration: write it with its unit, such as 30s", value)
	case reflect.TypeFor[[]string]():
		return errors.New("is not a list: write [a, b], or text with commas")
	case reflect.TypeFor[int]():
		return fmt.Errorf("%v is not a whole number: write it without quotes", value)
	case reflect.TypeFor[Copies]():
		return fmt.Errorf("%v is neither a number of copies nor all", value)
	case reflect.TypeFor[Bytes]():
		return fmt.Errorf("%v is not a size: write it with its unit, such as 500GiB", value)
	case reflect.TypeFor[Share]():
		return fmt.Errorf("%v is neither a part of the disk nor a size: write it with its unit, such as 10%% or 50GiB", value)
	}
	return errors.New("is read as a number, a boolean or a block, not as text: put it in quotes")
}

func onlyText(from, to reflect.Type, v any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && v == 0 {
		return time.Duration(0), nil // no time needs no unit
	}
	text := to.Kind() == reflect.String || to == reflect.TypeFor[time.Duration]()
	if text && from.Kind() != reflect.String && from != to {
		return nil, errors.New("not text")
	}
	if to == reflect.TypeFor[int]() && from != to {
		return nil, errors.New("not a whole number") // a fraction would lose a part
	}
	return v, nil
}

func commaList(_, to reflect.Type, v any) (any, error) {
	s, ok := v.(string)
	if !ok || to != reflect.TypeFor[[]string]() {
		return v, nil
	}
	list := []string{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

func keyNames() []string {
	var names []string
	for f := range reflect.TypeFor[Parameters]().Fields() {
		names = append(names, f.Tag.Get("mapstructure"))
	}
	return names
}

// checkKeys refuses a key that does not exist, naming the nearest that does.
func checkKeys(m map[string]any) error {
	names := keyNames()
	var unknown []string
	for k := range m {
		if !slices.Contains(names, strings.ToLower(k)) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	nearest := slices.MinFunc(names, func(a, b string) int {
		return levenshtein.ComputeDistance(a, unknown[0]) - levenshtein.ComputeDistance(b, unknown[0])
	})
	return fmt.Errorf("unknown key %q: did you mean %q?", unknown[0], nearest)
}

// config is what the engine needs of the parameters.
func (p Parameters) config() engine.Config {
	return engine.Config{
		Path: p.DatastorePath, Offline: p.Offline, Topic: p.PubsubTopic, Name: p.Name,
		ProtectorKey: p.ProtectorKey, ProtectorKeyFile: p.ProtectorKeyFile,
		ProtectorKeyNext: p.ProtectorKeyNext, ProtectorKeyNextFile: p.ProtectorKeyNextFile,
		PrivateKey: p.PrivateKey, PrivateKeyFile: p.PrivateKeyFile,
		ListenAddrs: p.ListenAddrs, AnnounceAddrs: p.AnnounceAddrs,
		DataAddrs: p.DataAddrs, DataAnnounceAddrs: p.DataAnnounceAddrs,
		DataAnyPort:  slices.Equal(p.DataAddrs, []string{defaultDataAddr}),
		TrustedPeers: p.TrustedPeers, TrustedPeersFile: p.TrustedPeersFile, AllowedPeers: p.AllowedPeers, AllowedPeersFile: p.AllowedPeersFile,
		Bootstrappers: p.Bootstrappers, Relay: p.Relay, Hash: p.Hash, LogLevel: p.LogLevel,
		MemberExpiry: p.MemberExpiry, AloneTimeout: p.AloneTimeout, FetchTimeout: p.FetchTimeout,
		Copies: int(p.Replicas), Zone: p.Zone, Capacity: int64(p.Capacity), RepairDelay: p.RepairDelay,
		RepairRate: int64(p.RepairRate), AckCopies: p.AckReplicas, AckTimeout: p.AckTimeout,
		CacheSize: int64(p.CacheSize), MinFree: engine.MinFree{Bytes: int64(p.MinFree.Bytes), Percent: p.MinFree.Percent},
		GC: p.GC, GCInterval: p.GCInterval, GCGrace: p.GCGrace, GCUntagged: p.GCUntagged,
		ScrubInterval: p.ScrubInterval, KeepChanges: p.KeepChanges,
	}
}

// check holds every rule that needs no file and no network.
func (p Parameters) check() error {
	for _, rule := range []func() error{p.checkNetwork, p.checkPeerLists, p.checkKeysGiven, p.checkValues, p.checkCopies, p.checkCache, p.checkAcks} {
		if err := rule(); err != nil {
			return err
		}
	}
	return p.config().Check()
}

func (p Parameters) checkNetwork() error {
	if p.PubsubTopic == "" {
		return errors.New("pubsubtopic: is empty; leave the key out for the default")
	}
	if p.Offline || p.config().Private() {
		return nil
	}
	if p.PubsubTopic == defaultTopic {
		return fmt.Errorf("pubsubtopic: the default %q is refused without a protector key, on the public network; "+
			"set protectorkeyfile for a private one, or a topic of your own", defaultTopic)
	}
	if len(p.TrustedPeers) == 0 && p.TrustedPeersFile == "" {
		return errors.New(`trustedpeers: is required without a protector key, on the public network; list peer IDs, or "*" for everybody`)
	}
	return nil
}

func (p Parameters) checkPeerLists() error {
	switch {
	case len(p.TrustedPeers) > 0 && p.TrustedPeersFile != "":
		return errors.New("trustedpeers: is set together with trustedpeersfile; keep one of them")
	case len(p.AllowedPeers) > 0 && p.AllowedPeersFile != "":
		return errors.New("allowedpeers: is set together with allowedpeersfile; keep one of them")
	case (len(p.AllowedPeers) > 0 || p.AllowedPeersFile != "") && !p.Offline && !p.config().Private():
		return errors.New("allowedpeers: needs a protector key: on the public network peers are found by way of others; set protectorkeyfile, or leave it out")
	}
	return nil
}

func (p Parameters) checkKeysGiven() error {
	if p.ProtectorKey != "" && p.ProtectorKeyFile != "" {
		return errors.New("protectorkey: is set together with protectorkeyfile; keep one of them")
	}
	if p.ProtectorKey != "" {
		if !isProtectorKey(p.ProtectorKey) {
			return errors.New("protectorkey: is not 32 bytes in hex; copy it from a member of the swarm, or make one for a new swarm with `registry ipfs keygen`, and put it in quotes")
		}
	}
	if err := p.checkNextKey(); err != nil {
		return err
	}
	if p.PrivateKey != "" && p.PrivateKeyFile != "" {
		return errors.New("privatekey: is set together with privatekeyfile; keep one of them")
	}
	return nil
}

// checkNextKey holds the rules of a change of the protector key.
func (p Parameters) checkNextKey() error {
	switch {
	case p.ProtectorKeyNext == "" && p.ProtectorKeyNextFile == "":
		return nil
	case p.ProtectorKeyNext != "" && p.ProtectorKeyNextFile != "":
		return errors.New("protectorkeynext: is set together with protectorkeynextfile; keep one of them")
	case !p.config().Private():
		return errors.New("protectorkeynext: needs protectorkey, which it is to follow; set that one, or leave this one out")
	case p.ProtectorKeyNext != "" && !isProtectorKey(p.ProtectorKeyNext):
		return errors.New("protectorkeynext: is not 32 bytes in hex; make one with `registry ipfs keygen`, the same for all registries, and put it in quotes")
	case p.ProtectorKeyNext != "" && strings.EqualFold(p.ProtectorKeyNext, p.ProtectorKey):
		return engine.ErrSameKeys
	}
	return nil
}

func isProtectorKey(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == 32
}

func (p Parameters) checkValues() error {
	if p.DatastorePath == "" {
		return errors.New("datastorepath: is empty; leave the key out for the default")
	}
	if len(p.ListenAddrs) == 0 {
		return errors.New("listenaddrs: is empty; name an address, or set offline: true for a registry without a network")
	}
	if p.LogLevel != "" {
		if _, err := logrus.ParseLevel(p.LogLevel); err != nil {
			return fmt.Errorf("loglevel: %q is none of error, warn, info, debug", p.LogLevel)
		}
	}
	if _, ok := dag.ParseFunction(p.Hash); !ok && p.Hash != "" {
		return fmt.Errorf("hash: %q is neither sha2-256 nor blake3; leave the key out to follow the swarm", p.Hash)
	}
	if p.MemberExpiry < time.Hour {
		return errors.New("memberexpiry: is less than 1h, in which a member may just restart; write it with its unit, such as 720h")
	}
	if p.SyncTimeout < 0 {
		return errors.New("synctimeout: is negative; 0 never waits")
	}
	if p.AloneTimeout < 0 {
		return errors.New("alonetimeout: is negative; 0 waits for nobody")
	}
	if p.GCInterval < time.Minute {
		return errors.New("gcinterval: is less than 1m; write it with its unit, such as 6h, or set gc: false")
	}
	if p.GCGrace < 0 {
		return errors.New("gcgrace: is negative; 0 gives no client time between its layers and their manifest")
	}
	if p.ScrubInterval != 0 && p.ScrubInterval < time.Minute {
		return errors.New("scrubinterval: is less than 1m; write it with its unit, such as 720h, or 0 for no scrub")
	}
	if p.KeepChanges < leastChanges {
		return fmt.Errorf("keepchanges: is less than %d, and members that lack a little would take the whole map", leastChanges)
	}
	if p.FetchTimeout <= 0 {
		return errors.New("fetchtimeout: must be more than 0, such as 30s")
	}
	return nil
}
