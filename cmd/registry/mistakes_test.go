package main_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakesAreOneLineWithAKeyAndARemedy(t *testing.T) {
	key := keygen(t)
	running := newProcess(t, key).start()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	taken := busy.Addr().String()
	for name, c := range map[string]struct {
		lines        []string // of the ipfs: block
		env          string
		names, mends string
	}{
		"unknown key":      {[]string{key, "protectorkeyfil: x"}, "", `"protectorkeyfil"`, `did you mean "protectorkeyfile"`},
		"short key":        {[]string{`protectorkey: "abcd"`}, "", "protectorkey:", "registry ipfs keygen"},
		"number as a key":  {[]string{"protectorkey: 123"}, "", "protectorkey:", "put it in quotes"},
		"no key, no topic": {nil, "", "pubsubtopic:", "set protectorkeyfile"},
		"no trusted peers": {[]string{"pubsubtopic: mine"}, "", "trustedpeers:", `"*" for everybody`},
		"missing key file": {[]string{"protectorkeyfile: /nowhere/swarm.key", running.bootstrap()}, "", "protectorkeyfile:", "copy it from a member"},
		// Root may read any file, but nobody reads a directory as one.
		"unreadable key file":     {[]string{"protectorkeyfile: ."}, "", "protectorkeyfile:", "name a file that this user can read"},
		"unreadable private key":  {[]string{key, "privatekeyfile: ."}, "", "privatekeyfile:", "name a file that this user can read"},
		"bad bootstrapper":        {[]string{"pubsubtopic: mine", `trustedpeers: "*"`, "bootstrappers: /ip4/127.0.0.1/tcp/1"}, "", "bootstrappers:", "registry ipfs id"},
		"bad duration":            {[]string{key, "synctimeout: soon"}, "", "synctimeout:", "such as 30s"},
		"neither true nor false":  {[]string{key, "offline: perhaps"}, "", "offline:", "is neither true nor false"},
		"bad private key":         {[]string{key, "privatekey: aGVsbG8="}, "", "privatekey:", "leave it out"},
		"bad log level":           {[]string{key, "loglevel: loud"}, "", "loglevel:", "is none of error, warn, info, debug"},
		"bad data address":        {[]string{key, "dataannounceaddrs: /ip4/127.0.0.1/udp/1"}, "", "dataannounceaddrs:", "such as /ip4/0.0.0.0/tcp/4620"},
		"a missing list of peers": {[]string{key, "trustedpeersfile: /nowhere/peers"}, "", "trustedpeersfile /nowhere/peers:", "no such file"},
		"no list of peers":        {[]string{key, "allowedpeersfile: config.yml"}, "", "allowedpeersfile config.yml: line 1:", "registry ipfs id"},
		"not a trusted key":       {[]string{key, "trustedpeers: nobody"}, "", "trustedpeers:", "registry ipfs id"},
		"listenaddrs in use":      {[]string{key}, "REGISTRY_STORAGE_IPFS_LISTENADDRS=" + multiaddr(taken), "listenaddrs:", "choose another port"},
		"dataaddrs in use":        {[]string{key}, "REGISTRY_STORAGE_IPFS_DATAADDRS=" + multiaddr(taken), "dataaddrs:", "choose another port"},
		"http.addr in use":        {[]string{key}, "REGISTRY_HTTP_ADDR=" + taken, "http.addr:", "choose another port"},
		"http.debug.addr in use":  {[]string{key}, "REGISTRY_HTTP_DEBUG_ADDR=" + taken, "http.debug.addr:", "choose another port"},
		"datastore in use":        {[]string{key}, "REGISTRY_STORAGE_IPFS_DATASTOREPATH=" + running.Data, "datastorepath ", "stop it, or give this registry a path of its own"},
		"datastore in a file":     {[]string{key}, "REGISTRY_STORAGE_IPFS_DATASTOREPATH=" + running.Config, "datastorepath:", "make it writable"},
		"datastore far, far away": {[]string{key}, "REGISTRY_STORAGE_IPFS_DATASTOREPATH=" + filepath.Join(t.TempDir(), strings.Repeat("far/", 30)), "datastorepath:", "choose a shorter one"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t, c.lines...)
			p.Env = []string{c.env}
			said := p.fails()
			if !strings.HasPrefix(said, "registry: ") || !strings.Contains(said, c.names) || !strings.Contains(said, c.mends) {
				t.Errorf("said %q, not %q and %q", said, c.names, c.mends)
			}
		})
	}
	for ttl, names := range map[string]string{"": "proxy.ttl:", ", ttl: 1h": "proxy.ttl:", ", ttl: 0": "proxy:"} {
		p := newProcess(t, key, "trustedpeers: "+strings.Split(running.bootstrap(), "/p2p/")[1])
		appendConfig(t, p, "proxy: {remoteurl: \"http://127.0.0.1:1\""+ttl+"}")
		if said := p.fails(); !strings.HasPrefix(said, "registry: "+names) {
			t.Errorf("proxy%s: said %q", ttl, said)
		}
	}
}

// TestACommandSaysWhereNoRegistryRuns, and what it is called itself.
func TestACommandSaysWhereNoRegistryRuns(t *testing.T) {
	p := newProcess(t, keygen(t))
	p.Env = []string{"REGISTRY_STORAGE_IPFS_DATASTOREPATH=./here"}
	for _, command := range []string{"garbage-collect", "ipfs drain"} {
		cmd := p.command(strings.Fields(command)...)
		cmd.Dir = p.Dir
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "registry: "+command+": ") || !strings.Contains(string(out), filepath.Join(p.Dir, "here")+";") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// appendConfig adds top-level keys to a configuration.
func appendConfig(t *testing.T, p *process, lines string) {
	t.Helper()
	f, err := os.OpenFile(p.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(lines + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestAPullThroughCacheThatKeepsEverything starts.
func TestAPullThroughCacheThatKeepsEverything(t *testing.T) {
	remote := onFilesystem(t)
	img := push(t, remote, "a:1")
	for _, ttl := range []string{"0", "0s"} {
		p := newProcess(t, keygen(t))
		appendConfig(t, p, "proxy: {remoteurl: \"http://"+remote.HTTP+"\", ttl: "+ttl+"}")
		p.start()
		pull(t, p, "a:1", img)
	}
}
