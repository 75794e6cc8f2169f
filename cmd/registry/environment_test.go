package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVariablesOfAServiceAreIgnored, whichever part of the configuration the Service's
// name names, and the log says so in one line.
func TestVariablesOfAServiceAreIgnored(t *testing.T) {
	p := newProcess(t, keygen(t))
	var names []string
	for _, service := range []string{"REGISTRY", "REGISTRY_STORAGE", "REGISTRY_STORAGE_IPFS", "REGISTRY_AUTH", "REGISTRY_HTTP"} {
		for name, value := range map[string]string{
			"SERVICE_HOST": "10.96.0.7", "SERVICE_PORT": "4619", "SERVICE_PORT_SWARM": "4619", "PORT": "tcp://10.96.0.7:4619",
			"PORT_4619_TCP": "tcp://10.96.0.7:4619", "PORT_4619_TCP_PROTO": "tcp", "PORT_4619_TCP_PORT": "4619", "PORT_4619_TCP_ADDR": "fd00::7",
		} {
			names = append(names, service+"_"+name)
			p.Env = append(p.Env, service+"_"+name+"="+value)
		}
	}
	p.start()
	log, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "Kubernetes") {
			said++
			for _, name := range names {
				if !strings.Contains(line, name) {
					t.Errorf("%s is not named: %s", name, line)
				}
			}
		}
		if strings.Contains(line, "unrecognized") {
			t.Error(line)
		}
	}
	if said != 1 {
		t.Errorf("said so %d times", said)
	}
}

// TestAMistakeInTheEnvironmentIsStillOne, though it looks a little like a Service's.
func TestAMistakeInTheEnvironmentIsStillOne(t *testing.T) {
	for _, variable := range []string{"REGISTRY_STORAGE_IPFS_PORT=4619", "REGISTRY_STORAGE_IPFS_HOST=10.96.0.7", "REGISTRY_STORAGE_IPFS_PORTS=tcp://10.96.0.7:4619"} {
		p := newProcess(t, keygen(t))
		p.Env = []string{variable}
		if said := p.fails(); !strings.Contains(said, "unknown key") {
			t.Errorf("%s: said %q", variable, said)
		}
	}
}

// TestASecretOfTheEnvironmentAlone is enough where the file names another form of it, as the image's
// does; and of two in one place neither counts.
func TestASecretOfTheEnvironmentAlone(t *testing.T) {
	key := keygen(t)
	secret := strings.Trim(strings.TrimPrefix(key, "protectorkey: "), `"`)
	for variable, c := range map[string]struct {
		line string // of the file
		made bool   // swarm.key, for a registry that begins a swarm by that file
	}{
		"PROTECTORKEY=" + secret:     {"protectorkeyfile: swarm.key", false},
		"PROTECTORKEYFILE=swarm.key": {key, true},
		"PROTECTORKEY=":              {"protectorkeyfile: swarm.key", true},
	} {
		p := newProcess(t, c.line)
		p.Env = []string{"REGISTRY_STORAGE_IPFS_" + variable}
		p.start()
		if _, err := os.Stat(filepath.Join(p.Dir, "swarm.key")); (err == nil) != c.made {
			t.Errorf("%s above %q: its file: %v", variable, c.line, err)
		}
	}

	p := newProcess(t, "protectorkeyfile: swarm.key")
	p.Env = []string{"REGISTRY_STORAGE_IPFS_PROTECTORKEY=" + secret, "REGISTRY_STORAGE_IPFS_PROTECTORKEYFILE=swarm.key"}
	if said := p.fails(); !strings.Contains(said, "keep one of them") {
		t.Errorf("said %q", said)
	}
}
