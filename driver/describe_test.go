package driver_test

import (
	"cmp"
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

const apiAbout = "What a running registry answers its operator. On `admin.sock`, a unix socket below\n" +
	"`datastorepath` that the registry's user alone may open, all of it; with `debugapi: true` the\n" +
	"debug server answers the questions, and none of the changes. Later releases add routes,\n" +
	"parameters and fields, and change none: ignore what you do not know.\n\n" +
	"This file is made from the Go types by `go generate ./driver`."

// describe writes an OpenAPI document of routes.
func describe(t *testing.T, routes []admin.Route) []byte {
	t.Helper()
	d := &description{t: t, comments: commentsOf(t), schemas: map[string]any{"Error": object{
		{"type", "object"}, {"required", []string{"error"}},
		{"properties", object{{"error", object{{"type", "string"}, {"description", "why, for the operator"}}}}},
	}}}
	doc := object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", "distribution-ipfs"}, {"version", "1"}, {"description", apiAbout},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
		{"servers", []object{
			{{"url", "http://registry"}, {"description", "over admin.sock"}},
			{{"url", "http://127.0.0.1:5001/ipfs"}, {"description", "http.debug.addr, with debugapi: true: questions alone"}},
		}},
		{"tags", []object{
			{{"name", "questions"}, {"description", "change nothing"}},
			{{"name", "changes"}, {"description", "are made over admin.sock alone"}},
		}},
		{"paths", d.paths(routes)},
	}
	doc = append(doc, pair{"components", object{{"schemas", sorted(d.schemas)}}})
	text, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// object is an object whose fields have an order.
type object []pair

type pair struct {
	name  string
	value any
}

// MarshalYAML implements yaml.Marshaler.
func (o object) MarshalYAML() (any, error) {
	var m yaml.MapSlice
	for _, p := range o {
		m = append(m, yaml.MapItem{Key: p.name, Value: p.value})
	}
	return m, nil
}

func sorted(m map[string]any) (o object) {
	for name, v := range m {
		o = append(o, pair{name, v})
	}
	slices.SortFunc(o, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	return o
}

type description struct {
	t        *testing.T
	comments map[string]string // of types, and of fields as type.field
	schemas  map[string]any
}

func (d *description) paths(routes []admin.Route) (paths object) {
	by := map[string]any{}
	for _, r := range routes {
		of, _ := by[r.Path].(object)
		by[r.Path] = append(of, pair{strings.ToLower(r.Method), d.operation(r)})
	}
	return sorted(by)
}

func (d *description) operation(r admin.Route) object {
	tag := "questions"
	if r.Changes {
		tag = "changes"
	}
	op := object{{"operationId", nameOf(r)}, {"tags", []string{tag}}, {"summary", r.About}}
	var params []object
	for _, p := range r.Params {
		in := "query"
		if strings.Contains(r.Path, "{"+p.Name+"}") {
			in = "path"
		}
		params = append(params, object{{"name", p.Name}, {"in", in}, {"required", in == "path"},
			{"description", p.About}, d.value(p)})
	}
	if params != nil {
		op = append(op, pair{"parameters", params})
	}
	answer, about := d.schema(r.Answer), "The answer."
	if r.Progress != nil {
		about = "Lines of JSON: progress, and at the end a result or an error."
		answer = object{{"type", "object"}, {"properties", object{
			{"progress", d.schema(r.Progress)}, {"result", answer}, {"error", object{{"type", "string"}}},
		}}}
	}
	if r.Stream {
		about = "Two parts: bytes, and then, as JSON, a result or an error. One that is cut has no second part."
		answer = object{{"type", "object"}, {"properties", object{
			{"bytes", object{{"type", "string"}, {"contentMediaType", "application/octet-stream"}}},
			{"end", object{{"type", "object"}, {"properties", object{{"result", answer}, {"error", object{{"type", "string"}}}}}}},
		}}}
	}
	return append(op, pair{"responses", object{
		{"200", object{{"description", about}, {"content", object{{kindOf(r), object{{"schema", answer}}}}}}},
		{"default", object{{"description", "Why there is none."},
			{"content", object{{"application/json", object{{"schema", ref("Error")}}}}}}},
	}})
}

func (d *description) value(p admin.Param) pair {
	if p.JSON == nil {
		return pair{"schema", object{{"type", "string"}}}
	}
	return pair{"content", object{{"application/json", object{{"schema", d.schema(p.JSON)}}}}}
}

// nameOf is such as getStatus or deleteMember.
func nameOf(r admin.Route) string {
	last := strings.Trim(r.Path[strings.LastIndex(r.Path, "/")+1:], "{}")
	return strings.ToLower(r.Method) + strings.ToUpper(last[:1]) + last[1:]
}

func kindOf(r admin.Route) string {
	if r.Stream {
		return "multipart/mixed"
	}
	if r.Progress != nil {
		return "application/x-ndjson"
	}
	return "application/json"
}

func ref(name string) object { return object{{"$ref", "#/components/schemas/" + name}} }

// schema is that of a type's JSON.
func (d *description) schema(of reflect.Type) object {
	switch {
	case of.Kind() == reflect.Pointer:
		return object{{"anyOf", []object{d.schema(of.Elem()), {{"type", "null"}}}}}
	case of == reflect.TypeFor[time.Time]():
		return object{{"type", "string"}, {"format", "date-time"}}
	case of == reflect.TypeFor[time.Duration]():
		return object{{"type", "integer"}, {"description", "nanoseconds"}}
	case of == reflect.TypeFor[json.RawMessage]():
		return object{}
	case of.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return object{{"type", "string"}}
	}
	switch of.Kind() {
	case reflect.Slice:
		return object{{"type", "array"}, {"items", d.schema(of.Elem())}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", d.schema(of.Elem())}}
	case reflect.Struct:
		if _, known := d.schemas[of.Name()]; !known {
			d.schemas[of.Name()] = nil // it may be part of itself
			d.schemas[of.Name()] = d.structure(of)
		}
		return ref(of.Name())
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return object{{"type", "integer"}}
	}
	d.t.Fatalf("%s is in an answer, and no kind of its own here", of)
	return nil
}

func (d *description) structure(of reflect.Type) object {
	var properties object
	var required []string
	for f := range of.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			d.t.Errorf("%s.%s has no name in JSON", of, f.Name)
		}
		schema := d.schema(f.Type)
		if says := d.comments[of.Name()+"."+f.Name]; says != "" {
			schema = append(slices.DeleteFunc(schema, func(p pair) bool { return p.name == "description" }),
				pair{"description", says})
		}
		properties = append(properties, pair{name, schema})
		if option != "omitempty" && option != "omitzero" {
			required = append(required, name)
		}
	}
	o := object{{"type", "object"}}
	if says := d.comments[of.Name()]; says != "" {
		o = append(o, pair{"description", says})
	} else {
		d.t.Errorf("%s is in an answer, and has no comment", of)
	}
	return append(o, object{{"required", required}, {"properties", properties}}...)
}

// commentsOf are the comments of this package's types and their fields.
func commentsOf(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				return true
			}
			for _, spec := range decl.Specs {
				of := spec.(*ast.TypeSpec)
				all[of.Name.Name] = joined(of.Doc.Text() + decl.Doc.Text())
				if s, ok := of.Type.(*ast.StructType); ok {
					for _, f := range s.Fields.List {
						for _, field := range f.Names {
							all[of.Name.Name+"."+field.Name] = joined(f.Doc.Text() + f.Comment.Text())
						}
					}
				}
			}
			return true
		})
	}
	return all
}

// joined is a comment as one line.
func joined(comment string) string { return strings.Join(strings.Fields(comment), " ") }
