package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v2"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

const apiFile = "../docs/api.yaml"

// TestTheAPIIsDescribed compares docs/api.yaml with the routes, and with the types of their answers.
func TestTheAPIIsDescribed(t *testing.T) {
	t.Parallel()
	want := describe(t, local(t).Routes())
	if os.Getenv("UPDATE_API") != "" {
		if err := os.WriteFile(apiFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(apiFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(want), "\n") {
		if lines := strings.Split(string(got), "\n"); i >= len(lines) || lines[i] != line {
			t.Fatalf("docs/api.yaml is not of these routes and types from line %d on, where they have\n%s\nrun go generate ./driver", i+1, line)
		}
	}
	if len(got) != len(want) {
		t.Fatal("docs/api.yaml has more than there is: run go generate ./driver")
	}
}

// TestAnswersAreAsDescribed asks a registry of a swarm by every route.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	img, err := random.Image(100, 2)
	must(t, err)
	must(t, crane.Push(img, served(t, c[0])+"/team/app:1", crane.Insecure))
	drivertest.AwaitAgreement(t, c...)
	schemas := compileAPI(t)
	socket := filepath.Join(c[1].Params.DatastorePath, "admin.sock")
	asked := map[string]string{"of": "team/app:1", "options": `{"dry_run":true}`, "seconds": "1", "member": c[0].Identity().PeerID, "image": ""}
	for _, r := range c[1].Routes() {
		path, query := r.Path, url.Values{}
		for _, p := range r.Params {
			if in := "{" + p.Name + "}"; strings.Contains(path, in) {
				path = strings.ReplaceAll(path, in, asked[p.Name])
			} else if v, ok := asked[p.Name]; ok {
				query.Set(p.Name, v)
			}
		}
		status, body := overSocket(t, socket, r.Method, path+"?"+query.Encode())
		want := http.StatusOK
		if strings.Contains(r.Path, "{member}") {
			want = http.StatusConflict // it is connected
		}
		if status != want {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, status, body)
		}
		if r.Stream { // its second part
			body = `{"end":` + body[strings.LastIndex(body, "{"):strings.LastIndex(body, "}")+1] + "}"
		}
		for dec := jsonLines(body); ; {
			v, err := dec()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = schemas(r, status).Validate(v)
			}
			if err != nil {
				t.Errorf("%s %s: %v\n%s", r.Method, r.Path, err, body)
				break
			}
		}
	}
}

// TestTheClientHasAMethodForEachRoute calls all methods of the client, and looks at what they ask.
func TestTheClientHasAMethodForEachRoute(t *testing.T) {
	t.Parallel()
	dir, routes := t.TempDir(), local(t).Routes()
	l, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.Method+" "+r.Path, func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, r.Method+" "+r.Path)
			http.Error(w, "{}", http.StatusTeapot)
		})
	}
	srv := httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	srv.Start()
	defer srv.Close()
	client := reflect.ValueOf(driver.NewClient(driver.Parameters{DatastorePath: dir}))
	for i := range client.NumMethod() {
		method, before := client.Method(i), len(asked)
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 1; j < method.Type().NumIn(); j++ {
			arg := reflect.New(method.Type().In(j)).Elem()
			if arg.Kind() == reflect.String {
				arg.SetString("x")
			}
			args = append(args, arg)
		}
		err, _ := method.Call(args)[1].Interface().(error)
		if e, ok := errors.AsType[*driver.AnswerError](err); !ok || e.Status != http.StatusTeapot || len(asked) != before+1 {
			t.Errorf("%s asks %v, and returns %v", client.Type().Method(i).Name, asked[before:], err)
		}
	}
	for _, r := range routes {
		if !slices.Contains(asked, r.Method+" "+r.Path) {
			t.Errorf("no method of Client asks %s %s", r.Method, r.Path)
		}
	}
}

// TestTheDebugAPIChangesNothing asks by all routes what the debug server may answer.
func TestTheDebugAPIChangesNothing(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	secret, err := c[0].Secret("http.secret")
	must(t, err)
	for _, r := range c[0].Routes() {
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), r.Method, strings.ReplaceAll(r.Path, "{member}", c[1].Identity().PeerID)+"?seconds=1", nil)
		c[0].API().ServeHTTP(w, req)
		refused := w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "no such route") || w.Code == http.StatusMethodNotAllowed
		if refused != r.Changes {
			t.Errorf("%s %s is answered with %d %s", r.Method, r.Path, w.Code, w.Body)
		}
		if body := w.Body.String(); strings.Contains(body, secret) || strings.Contains(body, c[0].Params.ProtectorKey) {
			t.Errorf("%s %s tells a secret", r.Method, r.Path)
		}
	}
}

// local is a registry without a network.
func local(t *testing.T) *drivertest.Member {
	t.Helper()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	return drivertest.Start(t, p)
}

func overSocket(t *testing.T, socket, method, path string) (int, string) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://registry"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "*/*")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// jsonLines gives what is in a body, one value after the other.
func jsonLines(body string) func() (any, error) {
	lines := strings.Split(strings.TrimSpace(body), "\n")
	return func() (any, error) {
		if len(lines) == 0 {
			return nil, io.EOF
		}
		line := lines[0]
		lines = lines[1:]
		return jsonschema.UnmarshalJSON(strings.NewReader(line))
	}
}

// compileAPI reads docs/api.yaml, whose schemas are JSON Schema, and gives that of an answer.
func compileAPI(t *testing.T) func(r admin.Route, status int) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(apiFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("api.json", textual(doc)); err != nil {
		t.Fatal(err)
	}
	return func(r admin.Route, status int) *jsonschema.Schema {
		at := "api.json#/components/schemas/Error"
		if status == http.StatusOK {
			at = fmt.Sprintf("api.json#/paths/%s/%s/responses/200/content/%s/schema", pointer(r.Path), strings.ToLower(r.Method), pointer(kindOf(r)))
		}
		return compiler.MustCompile(at)
	}
}

func pointer(text string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(text)
}

// textual is YAML as JSON would be decoded.
func textual(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, of := range v {
			m[fmt.Sprint(k)] = textual(of)
		}
		return m
	case []any:
		for i := range v {
			v[i] = textual(v[i])
		}
	}
	return v
}
