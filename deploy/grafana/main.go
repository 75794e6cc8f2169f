// Command grafana writes dashboard.json, a Grafana dashboard of the metrics in docs/metrics.md. `make
// test-metrics` evaluates each of its expressions in a Prometheus that scrapes real registries.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

//go:generate go run . -o dashboard.json

func main() {
	out := flag.String("o", "dashboard.json", "the file to write")
	flag.Parse()
	text, err := render()
	if err == nil {
		err = os.WriteFile(*out, text, 0o644) //nolint:gosec // whoever deploys it reads it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grafana:", err)
		os.Exit(1)
	}
}

// render is the dashboard as Grafana imports it.
func render() ([]byte, error) {
	d, err := board().Build()
	if err != nil {
		return nil, fmt.Errorf("build the dashboard: %w", err)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the dashboard: %w", err)
	}
	return append(text, '\n'), nil
}
