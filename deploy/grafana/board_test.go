package main

import (
	"bytes"
	"os"
	"testing"
)

// TestTheDashboardIsUpToDate: dashboard.json is what this program writes.
func TestTheDashboardIsUpToDate(t *testing.T) {
	is, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := render()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(is, want) {
		t.Error("dashboard.json is another one; `go generate ./deploy/grafana` writes it")
	}
}
