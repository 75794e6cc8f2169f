package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// answered asks a page, and decodes its answer.
func answered(t *testing.T, p *Page, path string, v any) int {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("%s: %s: %s", path, kind, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Errorf("%s: %v: %s", path, err, w.Body)
	}
	return w.Code
}

// full is a page of a registry with so many images, of which only two are of "team".
func full(t *testing.T, n int) *Page {
	p := newPage()
	t.Cleanup(p.Close)
	var u driver.Usage
	for i := range n {
		u.Images = append(u.Images, driver.ImageUsage{Repository: fmt.Sprintf("app%04d", n-i), Tag: "1"})
	}
	u.Images = append(u.Images, driver.ImageUsage{Repository: "team/app", Tag: "2-RC"}, driver.ImageUsage{Repository: "team/app", Tag: "1"})
	p.says.space = share(p, usageTime, func(context.Context) (space, error) { return space{Usage: u, byName: byName(u.Images)}, nil })
	p.says.image = func(_ context.Context, of string) (driver.Image, error) {
		repository, _, _ := strings.Cut(of, ":")
		return driver.Image{Variants: []driver.ImageVariant{{Platform: repository + "/amd64"}, {Platform: ""}}}, nil
	}
	return p
}

// TestImagesAreListedInParts: all of them by their names, or those that are looked for.
func TestImagesAreListedInParts(t *testing.T) {
	p := full(t, 2*maxImages)
	names, after := []string{}, ""
	for part := 0; ; part++ {
		var got images
		if status := answered(t, p, "/data/images?after="+after, &got); status != http.StatusOK || got.All != 2*maxImages+2 || got.Found != got.All {
			t.Fatalf("%d: %+v", status, got)
		}
		for _, img := range got.Images {
			names = append(names, nameOf(&img.ImageUsage))
			if len(img.Platforms) != 1 || img.Platforms[0] != img.Repository+"/amd64" {
				t.Errorf("%+v", img)
			}
		}
		if !got.More {
			break
		}
		if len(got.Images) != maxImages || part > 3 {
			t.Fatalf("part %d has %d images", part, len(got.Images))
		}
		after = names[len(names)-1]
	}
	if len(names) != 2*maxImages+2 || names[0] != "app0001:1" || names[maxImages] != "app0101:1" || names[len(names)-1] != "team/app:2-RC" {
		t.Errorf("%d: %v", len(names), names)
	}
	var got images
	if answered(t, p, "/data/images?q=TEAM", &got); got.Found != 2 || len(got.Images) != 2 || got.More || got.Images[0].Tag != "1" {
		t.Errorf("%+v", got)
	}
	if answered(t, p, "/data/images?q=app:2-rc", &got); got.Found != 1 {
		t.Errorf("%+v", got)
	}
	var s space
	if answered(t, p, "/data/space", &s); len(s.Usage.Images) != mostFreed || s.Usage.Images[0].Repository != "app0200" {
		t.Errorf("%d images free most", len(s.Usage.Images))
	}
}

// TestImagesAreListedInTime, whatever becomes of their manifests.
func TestImagesAreListedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := full(t, maxImages)
		defer p.Close()
		p.says.image = func(ctx context.Context, of string) (driver.Image, error) {
			if of == "app0001:1" {
				return driver.Image{}, nil
			}
			<-ctx.Done()
			return driver.Image{}, ctx.Err()
		}
		began := time.Now()
		var got images
		if status := answered(t, p, "/data/images", &got); status != http.StatusOK || len(got.Images) != maxImages || time.Since(began) > platformTime {
			t.Errorf("%d, %d images after %s", status, len(got.Images), time.Since(began))
		}
		if got.Images[0].Platforms == nil || got.Images[1].Platforms != nil {
			t.Errorf("%v, %v", got.Images[0], got.Images[1])
		}
	})
}

// TestAnswersThatAreNone say why.
func TestAnswersThatAreNone(t *testing.T) {
	p := newPage()
	t.Cleanup(p.Close)
	p.says.image = func(_ context.Context, of string) (driver.Image, error) { return driver.Image{Of: of}, nil }
	p.says.names = func(context.Context, driver.NamesOptions) (driver.Names, error) {
		return driver.Names{}, errors.New("none")
	}
	p.says.where = func(_ context.Context, of string) (driver.Where, error) {
		return driver.Where{}, errors.New("nobody knows " + of)
	}
	p.says.space = share(p, usageTime, func(context.Context) (space, error) { return space{}, context.DeadlineExceeded })
	for path, want := range map[string]struct {
		status int
		reason string
	}{
		"/data/image":        {400, "repository:tag"},
		"/data/image?of=app": {400, "repository:tag"},
		"/data/image?of=" + strings.Repeat("a:", 1000): {400, "repository:tag"},
		"/data/image?of=app:1":                         {200, ""},
		"/data/where?of=app:1":                         {422, "nobody knows app:1"},
		"/data/space":                                  {503, "deadline"},
	} {
		var got struct{ Error string }
		if status := answered(t, p, path, &got); status != want.status || !strings.Contains(got.Error, want.reason) {
			t.Errorf("%s: %d %q", path, status, got.Error)
		}
	}
}

// TestATagSaysWhoSetIt: a tag, and not one that begins like it.
func TestATagSaysWhoSetIt(t *testing.T) {
	p := newPage()
	t.Cleanup(p.Close)
	p.says.image = func(_ context.Context, of string) (driver.Image, error) { return driver.Image{Of: of}, nil }
	p.says.names = func(_ context.Context, o driver.NamesOptions) (driver.Names, error) {
		if o.Repository != "team/app" || o.Limit != 1 {
			t.Errorf("%+v", o)
		}
		return driver.Names{Tags: []driver.Tag{{Name: "1.0", By: driver.Author{Name: "barn"}, Others: []string{"sha256:ab"}}}}, nil
	}
	for of, want := range map[string]bool{"team/app:1.0": true, "team/app:1": false, "team/app@sha256:1.0": false} {
		var got parts
		if answered(t, p, "/data/image?of="+of, &got); (got.Tag != nil) != want || want && (got.Tag.By.Name != "barn" || len(got.Tag.Others) != 1) || got.Of != of {
			t.Errorf("%s: %+v", of, got)
		}
	}
}

// TestTheHistoryOfATag: not of others in its repository, and not all of a long one.
func TestTheHistoryOfATag(t *testing.T) {
	p := newPage()
	t.Cleanup(p.Close)
	p.says.log = func(_ context.Context, o driver.LogOptions) (l driver.Log, err error) {
		if o.Repository != "team/app" {
			return l, errors.New("nobody knows " + o.Repository)
		}
		for i := range 2*maxHistory + 10 {
			l.Changes = append(l.Changes, driver.LogChange{Tag: []string{"1", "2"}[i%2], Digest: fmt.Sprint(i)})
		}
		l.Changes = append(l.Changes, driver.LogChange{Tag: "3"})
		return l, nil
	}
	var got history
	if answered(t, p, "/data/history?of=team/app:2", &got); len(got.Changes) != maxHistory || !got.More || got.Changes[0].Digest != "1" || got.Changes[1].Digest != "3" {
		t.Errorf("%+v", got)
	}
	if answered(t, p, "/data/history?of=team/app:3", &got); len(got.Changes) != 1 || got.More {
		t.Errorf("%+v", got)
	}
	for of, want := range map[string]int{"team/app@sha256:ab": http.StatusBadRequest, "other:1": http.StatusUnprocessableEntity} {
		var got struct{ Error string }
		if status := answered(t, p, "/data/history?of="+of, &got); status != want {
			t.Errorf("%s: %d %s", of, status, got.Error)
		}
	}
}

// TestFewAreAnsweredAtOnce: whoever is one too many is told so at once.
func TestFewAreAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage()
		defer p.Close()
		release := make(chan struct{})
		p.says.where = func(context.Context, string) (driver.Where, error) { <-release; return driver.Where{}, nil }
		ask := func() int {
			w := httptest.NewRecorder()
			p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/data/where?of=app:1", nil))
			return w.Code
		}
		codes := make(chan int)
		for range maxAsked {
			go func() { codes <- ask() }()
		}
		synctest.Wait()
		if code := ask(); code != http.StatusServiceUnavailable {
			t.Errorf("one too many: %d", code)
		}
		close(release)
		for range maxAsked {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("%d", code)
			}
		}
		if code := ask(); code != http.StatusOK {
			t.Errorf("afterwards: %d", code)
		}
	})
}

// TestTheDoctorComesOnceForAll, and again when what was found is old. Who asked for it first may leave.
func TestTheDoctorComesOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage()
		defer p.Close()
		came := 0
		p.says.health = share(p, healthTime, func(ctx context.Context) (health, error) {
			came++
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return health{Severity: "ok"}, ctx.Err()
		})
		ask := func(ctx context.Context) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			p.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/data/health", nil))
			return w
		}
		leaving, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if w := ask(leaving); w.Code != http.StatusServiceUnavailable {
			t.Errorf("who left: %d", w.Code)
		}
		for range 3 {
			if w := ask(t.Context()); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"severity":"ok"`) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if came != 1 {
			t.Errorf("it came %d times", came)
		}
		time.Sleep(healthTime + time.Second)
		if ask(t.Context()); came != 2 {
			t.Errorf("it came %d times", came)
		}
	})
}
