package main_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestEveryLineIsJSON from the start to the end, requests, spans, other libraries and
// what net/http says by itself included, at debug.
func TestEveryLineIsJSON(t *testing.T) {
	p := newProcess(t, keygen(t), "bootstrappers: /dns4/nowhere.invalid/tcp/1/p2p/12D3KooWGQcz9twM4nC3414fR8MWrQK5uSKrukyC4JUJaypYdRdy")
	config, err := os.ReadFile(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "log: {accesslog: {disabled: true}}", "log: {level: debug, formatter: json}", 1)
	if err := os.WriteFile(p.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Env = []string{"OTEL_BSP_SCHEDULE_DELAY=10", "REGISTRY_STORAGE_PORT=tcp://10.96.0.7:5000", "REGISTRY_NONSENSE=1"}
	p.start()
	pull(t, p, "a:1", push(t, p, "a:1"))
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", p.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	p.spawn() // and a start that fails
	_ = p.Wait()
	log, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	libraries := 0
	said := map[string]bool{}
	for line := range strings.Lines(string(log)) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%v: %s", err, line)
			continue
		}
		if l["logger"] != nil {
			libraries++
		}
		msg, _ := l["msg"].(string)
		said[msg] = true
		if strings.HasPrefix(msg, `{"Name":`) {
			t.Errorf("a span: %s", line)
		}
	}
	if libraries == 0 || !said["request"] || !said["storage is closed"] {
		t.Errorf("%d lines of libraries, requests %v, the end %v", libraries, said["request"], said["storage is closed"])
	}
}

func TestAnUnknownSubcommandFails(t *testing.T) {
	for args, want := range map[string]string{"ipfs nonsense": "registry ipfs --help", "ipfs statsu": `did you mean "status"?`, "nonsense": "unknown command"} {
		out, err := exec.Command(binary, strings.Fields(args)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %q %v", args, out, err)
		}
	}
	if out, err := exec.Command(binary, "ipfs").CombinedOutput(); err != nil || !strings.Contains(string(out), "status") {
		t.Errorf("ipfs: %q %v", out, err)
	}
}

// TestAnotherUserIsToldWhoMayAsk runs commands as nobody, which only root can.
func TestAnotherUserIsToldWhoMayAsk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	p := newProcess(t, keygen(t)).start()
	for name, mode := range map[string]os.FileMode{p.Config: 0o644, filepath.Dir(binary): 0o755, p.Dir: 0o755, filepath.Dir(p.Dir): 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"status", "id"} {
		cmd := p.command("ipfs", name)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "sudo -u root registry ipfs "+name) {
			t.Errorf("%s: %q %v", name, out, err)
		}
	}
}
