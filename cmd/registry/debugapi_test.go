package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheDebugServerAnswersQuestions asks it what the commands ask, by all methods that the API's
// description has of each path: only with debugapi it answers, and then it changes nothing.
func TestTheDebugServerAnswersQuestions(t *testing.T) {
	key := keygen(t)
	open, shut := newProcess(t, key, "debugapi: true"), newProcess(t, key)
	debugOpen, debugShut := open.debugged(t), shut.debugged(t)
	open.start()
	shut.start()
	status, text := probe(debugOpen, "/ipfs/v1/status")
	var s driver.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil || status != http.StatusOK || s.PeerID != open.status().PeerID {
		t.Errorf("%d %v: %s", status, err, text)
	}
	for _, path := range []string{"/debug/health", "/livez"} {
		if status, text := probe(debugOpen, path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	api, err := os.ReadFile("../../docs/api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths, _, _ := strings.Cut(string(api), "\ncomponents:\n") // a field of an answer is called changes, too
	routes := regexp.MustCompile(`(?m)^  (/v1/\S+):$|^    (get|post|put|patch|delete):$|^      - (questions|changes)$`).FindAllStringSubmatch(paths, -1)
	path, method, seen := "", "", map[string]int{}
	for _, r := range routes {
		switch {
		case r[1] != "":
			path = strings.ReplaceAll(r[1], "{member}", "nobody")
			continue
		case r[2] != "":
			method = strings.ToUpper(r[2])
			continue
		}
		seen[r[3]]++
		if got := refused(t, method, debugOpen, path); got != (r[3] == "changes") {
			t.Errorf("%s %s: refused %v, and of the %s", method, path, got, r[3])
		}
		if !refused(t, method, debugShut, path) {
			t.Errorf("%s %s is answered without debugapi", method, path)
		}
	}
	if seen["questions"] < 3 || seen["changes"] < 5 {
		t.Errorf("docs/api.yaml was not read: %v", seen)
	}
	if s := open.status(); s.Copies.Draining || len(s.NotReady) > 0 {
		t.Errorf("it was changed: %+v", s)
	}
}

// refused reports whether the debug server knows no route, or not by this method.
func refused(t *testing.T, method, debug, path string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+debug+"/ipfs"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed
}
