package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestEveryAnswerHasItsPolicy: also those that are none.
func TestEveryAnswerHasItsPolicy(t *testing.T) {
	p := newPage()
	defer p.Close()
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/":           {200, "text/html; charset=utf-8"},
		"/page.css":   {200, "text/css; charset=utf-8"},
		"/app.js":     {200, "text/javascript; charset=utf-8"},
		"/icon.svg":   {200, "image/svg+xml"},
		"/index.html": {404, "text/plain; charset=utf-8"},
		"/../page.go": {404, "text/plain; charset=utf-8"},
		"/v2/":        {404, "text/plain; charset=utf-8"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		p.ServeHTTP(w, r)
		h := w.Header()
		if path != "/../page.go" && (w.Code != want.status || h.Get("Content-Type") != want.kind) { // which is led elsewhere
			t.Errorf("%s: %d, %s", path, w.Code, h.Get("Content-Type"))
		}
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(h.Get("Content-Security-Policy"), rule) {
				t.Errorf("%s: without %s: %v", path, rule, h)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestAnAssetIsSentOnce: a browser that has it is told so.
func TestAnAssetIsSentOnce(t *testing.T) {
	p := newPage()
	defer p.Close()
	first, again := httptest.NewRecorder(), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/app.js", nil)
	p.ServeHTTP(first, r)
	r.Header.Set("If-None-Match", first.Header().Get("ETag"))
	p.ServeHTTP(again, r)
	if first.Code != http.StatusOK || again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("%d, then %d with %d bytes", first.Code, again.Code, again.Body.Len())
	}
}

// TestOtherSitesAskNothing: a page of another site could have all members asked. A link to this one
// is followed.
func TestOtherSitesAskNothing(t *testing.T) {
	p := newPage()
	defer p.Close()
	for _, c := range []struct {
		site, mode string
		want       int
	}{{"cross-site", "no-cors", 403}, {"same-site", "cors", 403}, {"cross-site", "navigate", 200}, {"same-origin", "cors", 200}, {"", "", 200}} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Sec-Fetch-Site", c.site)
		r.Header.Set("Sec-Fetch-Mode", c.mode)
		if p.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%s, %s: %d", c.site, c.mode, w.Code)
		}
	}
}

// TestBehindADoor: who is not admitted learns nothing, and has the door's answer, with the page's rules.
func TestBehindADoor(t *testing.T) {
	p := newPage()
	defer p.Close()
	h := p.Behind(func(w http.ResponseWriter, r *http.Request) bool {
		if user, _, _ := r.BasicAuth(); user == "alice" {
			return true
		}
		w.WriteHeader(http.StatusUnauthorized)
		return false
	})
	for _, path := range []string{"/", "/app.js", "/events", "/data/images", "/none"} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil)); w.Code != http.StatusUnauthorized || w.Body.Len() > 0 || w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %s %v", path, w.Code, w.Body, w.Header())
		}
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("alice", "")
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("admitted: %d", w.Code)
	}
}

// TestOnlyReading: whatever a browser sends, nothing else is done.
func TestOnlyReading(t *testing.T) {
	p := newPage()
	defer p.Close()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		for _, path := range []string{"/", "/events", "/app.js", "/data/images"} {
			w := httptest.NewRecorder()
			if p.ServeHTTP(w, httptest.NewRequest(method, path, nil)); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

// hostile is what no asset has: code or styles in the page, what makes elements of text, and what is
// loaded from elsewhere.
var hostile = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|javascript:|` +
	`<script>|<style|\sstyle=|\son[a-z]+="|@import|(?:src|href)="(?:https?:)?//|url\(|\bimport\(`)

func TestAllTextIsText(t *testing.T) {
	all := assets()
	if len(all) < 5 {
		t.Fatalf("%d assets", len(all))
	}
	for _, a := range all {
		if found := hostile.Find(a.content); found != nil {
			t.Errorf("%s has %q", a.path, found)
		}
		if a.kind == "" {
			t.Errorf("%s: of which type is it?", a.path)
		}
	}
}
