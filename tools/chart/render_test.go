package chart_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

const dir = "../../deploy/helm"

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // helm says of each symbolic link that it follows it
	os.Exit(m.Run())
}

// cluster is where templates look for what is there.
type cluster struct{ objects []runtime.Object }

func (c cluster) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	if apiVersion != "v1" || kind != "Secret" {
		return nil, false, fmt.Errorf("nobody asks for %s %s", apiVersion, kind)
	}
	client := fake.NewSimpleDynamicClient(scheme.Scheme, c.objects...)
	return client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}), true, nil
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// templates are the chart's files after helm rendered them with values, which are YAML, as release
// "images" in the namespace "team". Version is that of the chart; "" is its own.
func templates(t *testing.T, version, values string, there ...runtime.Object) (map[string]string, error) {
	t.Helper()
	c := load(t)
	if version != "" {
		c.Metadata.Version, c.Metadata.AppVersion = version, "v"+version
	}
	own, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	all, err := chartutil.ToRenderValues(c, own, chartutil.ReleaseOptions{Name: "images", Namespace: "team", Revision: 1, IsInstall: true}, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.RenderWithClientProvider(c, all, cluster{there})
}

// rendered are the objects that helm would make, by kind and name.
type rendered map[string]runtime.Object

func render(t *testing.T, version, values string, there ...runtime.Object) rendered {
	t.Helper()
	files, err := templates(t, version, values, there...)
	if err != nil {
		t.Fatal(err)
	}
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	strict := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	found := rendered{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		docs := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(files[name])))
		for {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(bytes.TrimSpace(doc)) == 0 {
				continue
			}
			object, kind, err := strict.Decode(doc, nil, nil)
			if runtime.IsStrictDecodingError(err) || err != nil {
				t.Errorf("%s: %v\n%s", name, err, doc)
				continue
			}
			found.add(t, kind.Kind, object)
		}
	}
	return found
}

func (r rendered) add(t *testing.T, kind string, object runtime.Object) {
	t.Helper()
	meta, ok := object.(interface{ GetName() string })
	if !ok {
		t.Fatalf("%s has no name", kind)
	}
	key := kind + "/" + meta.GetName()
	if r[key] != nil {
		t.Errorf("%s is there twice", key)
	}
	r[key] = object
}

// get is one of the objects, which has to be there.
func get[T runtime.Object](t *testing.T, r rendered, key string) T {
	t.Helper()
	object, ok := r[key].(T)
	if !ok {
		t.Fatalf("no %s among %s", key, slices.Sorted(maps.Keys(r)))
	}
	return object
}

// container is one of a pod's, which has to be there.
func container(t *testing.T, pod corev1.PodSpec, name string) corev1.Container {
	t.Helper()
	for _, c := range pod.Containers {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no container %s", name)
	return corev1.Container{}
}
