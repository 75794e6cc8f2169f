package report

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// head describes what was measured, where and when.
func head(quick bool, began time.Time) string {
	size := ""
	if quick {
		size = " **This was a quick run: small sizes, few runs.**"
	}
	return fmt.Sprintf("# Benchmarks\n\nMade by `make bench` on %s in %s: all contenders are up at the same time and take turns. Trust the ratios, not the figures.%s\n\n"+
		"%s, %d cores, %s; Linux %s, TCP %s, tcp_wmem %s; %s, %s. All blobs are unique. The client makes its bytes as it sends them, on the same cores.\n\n",
		began.UTC().Format(time.DateOnly), time.Since(began).Round(time.Second), size,
		cpuinfo("model name"), runtime.NumCPU(), sha(), sysctl("kernel/osrelease"), sysctl("net/ipv4/tcp_congestion_control"), sysctl("net/ipv4/tcp_wmem"),
		runtime.Version(), revision())
}

// cpuinfo is a line of /proc/cpuinfo about the first core.
func cpuinfo(key string) string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown " + key
}

// sha names the processor's features for fast hashing.
func sha() string {
	features := append(strings.Fields(cpuinfo("flags")), strings.Fields(cpuinfo("Features"))...)
	var has []string
	for flag, name := range map[string]string{"sha_ni": "SHA instructions", "sha2": "SHA instructions", "avx512f": "AVX-512", "avx2": "AVX2"} {
		if slices.Contains(features, flag) {
			has = append(has, name)
		}
	}
	if !slices.Contains(has, "SHA instructions") {
		has = append(has, "no SHA instructions")
	}
	slices.Sort(has)
	return strings.Join(has, ", ")
}

func sysctl(path string) string {
	b, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return "unknown"
	}
	return string(bytes.Join(bytes.Fields(b), []byte(" ")))
}

// revision is the commit that is measured, when this runs in its checkout.
func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "no checkout"
	}
	return "commit " + strings.TrimSpace(string(out))
}
