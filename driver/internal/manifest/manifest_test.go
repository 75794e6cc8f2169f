package manifest_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
)

func list(names ...digest.Digest) []digest.Digest { return names }

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    manifest.Manifest
	}{
		"an OCI image": {
			`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
			  "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"c","size":2},
			  "layers":[{"digest":"l1","size":1},{"digest":"l2","size":1e400,"annotations":{"a":"b"}}],
			  "annotations":{"org.opencontainers.image.base.digest":"b"}}`,
			manifest.Manifest{Config: "c", Layers: list("l1", "l2")},
		},
		"an index": {
			`{"manifests":[{"digest":"m1","platform":{"os":"linux"}},{"digest":"m2"}]}`,
			manifest.Manifest{Manifests: list("m1", "m2")},
		},
		"a referrer": {
			`{"config":{"digest":"c"},"layers":[{"digest":"l"}],"subject":{"digest":"s"}}`,
			manifest.Manifest{Config: "c", Layers: list("l"), Subjects: list("s")},
		},
		"an artifact":           {`{"blobs":[{"digest":"b"}],"subject":{"digest":"s"}}`, manifest.Manifest{Layers: list("b"), Subjects: list("s")}},
		"docker's first schema": {`{"schemaVersion":1,"fsLayers":[{"blobSum":"l1"},{"blobSum":"l2"}],"history":[{"v1Compatibility":"{\"digest\":\"x\"}"}]}`, manifest.Manifest{Layers: list("l1", "l2")}},
		"what nobody knows yet": {
			`{"digest":"a","parts":[{"digest":"b"},[{"deep":{"digest":"c"}}]],"layers":[{"digest":"l","via":{"digest":"d"}}],"config":{"digest":["e","f"],"x":{"digest":"g"}}}`,
			manifest.Manifest{Config: "f", Layers: list("l"), Others: list("a", "b", "c", "d", "e", "g")},
		},
		"keys that distribution reads, too": {
			`{"Config":{"DIGEST":"c"},"layer\u017f":[{"dige\u0073t":"l"}],"Subject":{"digest":"s"},"subject":{"digest":"t"}}`,
			manifest.Manifest{Config: "c", Layers: list("l"), Subjects: list("s", "t")},
		},
		"values of other types": {
			`{"config":null,"layers":[{"digest":1},{"digest":null},{"digest":{"a":"b"}},null,"x"],"manifests":{"digest":"m"}}`,
			manifest.Manifest{Manifests: list("m")},
		},
		"nothing": {`{}`, manifest.Manifest{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := manifest.Parse([]byte(c.content))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestNamesLeavesOutSubjects(t *testing.T) {
	m := manifest.Manifest{Config: "c", Layers: list("l"), Manifests: list("m"), Subjects: list("s"), Others: list("o")}
	require.Equal(t, list("c", "l", "m", "o"), slices.Collect(m.Names()))
	for range m.Names() {
		break // it may be left early
	}
}

func TestNoManifest(t *testing.T) {
	for name, content := range map[string]string{
		"nothing": "", "a text": "hello", "a word": `"sha256:x"`, "an array": `[{"digest":"x"}]`, "a number": "1", "null": "null",
		"cut off": `{"layers":[{"digest":"x"}`, "something behind it": `{} {}`, "bytes": "\x1f\x8b\x08",
		"nested without end": strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000),
		"too large":          `{"a":"` + strings.Repeat("x", manifest.MaxSize) + `"}`,
	} {
		if _, err := manifest.Parse([]byte(content)); !errors.Is(err, manifest.ErrNotManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: what a decoder finds where descriptors are, Parse finds, too.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"config":{"digest":"c"},"layers":[{"digest":"l"}],"manifests":[{"digest":"m"}],"subject":{"digest":"s"}}`))
	f.Add([]byte(`{"Layers":[{"dIgest":"l"},{"digest":""}],"layers":null}`))
	type descriptor struct {
		Digest digest.Digest `json:"digest"`
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var want struct {
			Config            descriptor
			Layers, Manifests []descriptor
			Subject           *descriptor
		}
		got, err := manifest.Parse(content)
		if json.Unmarshal(content, &want) != nil || string(content) == "null" {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", content, err)
		}
		named := slices.Collect(got.Names())
		for _, d := range append(append(want.Layers, want.Manifests...), want.Config) {
			if d.Digest != "" && !slices.Contains(named, d.Digest) {
				t.Fatalf("%q: %q is lacking in %v", content, d.Digest, named)
			}
		}
		if s := want.Subject; s != nil && s.Digest != "" && !slices.Contains(got.Subjects, s.Digest) {
			t.Fatalf("%q: the subject is lacking", content)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	content := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":7023,"digest":"` +
		digest.FromString("config").String() + `"},"layers":[`)
	for i := range 10 {
		if i > 0 {
			content = append(content, ',')
		}
		content = append(content, `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":32654321,"digest":"`+digest.FromString(string(rune(i))).String()+`"}`...)
	}
	content = append(content, "]}"...)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if m, err := manifest.Parse(content); err != nil || len(m.Layers) != 10 {
			b.Fatal(m, err)
		}
	}
}
