package main_test

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metricsDoc is where operators read what a metric tells.
const metricsDoc = "../../docs/metrics.md"

// slowMetrics are those of the page that no test can wait for.
var slowMetrics = map[string]string{
	"registry_ipfs_scrub_last_round_timestamp_seconds": "a round takes scrubinterval, a minute at least",
}

// described is one metric, as it is served or as the page has it.
type described struct{ kind, labels, help string }

var metricRow = regexp.MustCompile(`(?m)^\| ` + "`(registry_ipfs_[a-z_]+)`" + ` \| ([a-z]+) \| ([^|]*)\| ([^|]+) \| ([^|]+) \| [^|]*\|$`)

// TestThePageHasAllMetrics compares docs/metrics.md with what a real registry serves, both ways.
func TestThePageHasAllMetrics(t *testing.T) {
	page := metricsOfThePage(t)
	debug := metricsOfEverything(t)
	var served map[string]described
	var lacking []string
	defer func() { t.Log("not served:", lacking) }()
	await(t, "all metrics of the page are served", func() bool {
		served, lacking = servedMetrics(t, debug), nil
		for name := range page {
			if _, ok := served[name]; !ok && slowMetrics[name] == "" {
				lacking = append(lacking, name)
			}
		}
		return len(lacking) == 0
	})
	for _, name := range slices.Sorted(maps.Keys(served)) {
		has, ok := page[name]
		if is := served[name]; !ok || has != is {
			t.Errorf("%s is served as\n%+v and on the page\n%+v", name, is, has)
		}
	}
	problems, err := promlint.New(strings.NewReader(ourLines(metricsPage(t, debug)))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("bad names: %v %v", problems, err)
	}
}

// metricsOfEverything is a registry that has something of each kind to tell: a member that wrote, a
// blob that came from it, and an upload that has not ended.
func metricsOfEverything(t *testing.T) string {
	t.Helper()
	key := keygen(t)
	a := newProcess(t, key).start()
	b, debug := newProcess(t, key, a.bootstrap()), freeAddr(t)
	b.Env = []string{"REGISTRY_HTTP_DEBUG_ADDR=" + debug, "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED=true"}
	b.start()
	_, path := layer(t, a, mib)
	await(t, "the blob is pulled", func() bool {
		_, status, err := body(b, path)
		return status == http.StatusOK && err == nil
	})
	send(t, http.MethodPost, "http://"+b.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	return debug
}

func metricsOfThePage(t *testing.T) map[string]described {
	t.Helper()
	content, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	page := map[string]described{}
	for _, row := range metricRow.FindAllStringSubmatch(string(content), -1) {
		if _, twice := page[row[1]]; twice {
			t.Errorf("%s is there twice", row[1])
		}
		labels := strings.Split(strings.NewReplacer("`", "", " ", "").Replace(row[3]), ",")
		slices.Sort(labels)
		page[row[1]] = described{row[2], strings.Join(labels, ","), row[5]}
		requireUnit(t, row[1], row[4])
	}
	if rows := strings.Count(string(content), "\n| `registry_ipfs_"); rows != len(page) || rows == 0 {
		t.Errorf("%d of %d rows could be read", len(page), rows)
	}
	return page
}

// requireUnit: the unit on the page is the one that the name ends in; promlint knows which those are.
func requireUnit(t *testing.T, name, said string) {
	t.Helper()
	for _, of := range []struct{ end, unit string }{
		{"_timestamp_seconds", "seconds since 1970"}, {"_seconds", "seconds"}, {"_bytes", "bytes"}, {"_ratio", "0 to 1"},
	} {
		if ends := strings.HasSuffix(strings.TrimSuffix(name, "_total"), of.end); ends || said == of.unit {
			if !ends || said != of.unit {
				t.Errorf("%s is in %s, says the page", name, said)
			}
			return
		}
	}
}

func servedMetrics(t *testing.T, debug string) map[string]described {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metricsPage(t, debug)))
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]described{}
	for name, f := range families {
		if strings.HasPrefix(name, "registry_ipfs_") {
			served[name] = described{kind: strings.ToLower(f.GetType().String()), labels: labelsOf(f), help: f.GetHelp()}
		}
	}
	return served
}

func labelsOf(f *dto.MetricFamily) string {
	var names []string
	for _, pair := range f.GetMetric()[0].GetLabel() {
		names = append(names, pair.GetName())
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// ourLines are the lines of a metrics page that are ours.
func ourLines(page string) string {
	var ours strings.Builder
	for line := range strings.Lines(page) {
		if strings.Contains(line, "registry_ipfs_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}
