package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// alertsFile are Prometheus's alerts, which say the same of the same things.
const alertsFile = "../../../../deploy/prometheus/alerts.yml"

type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// TestAlertsSayWhatDoctorSays: an alert of something that doctor finds is as severe, and says in the
// same words what it means and what to do. UPDATE=1 writes them there.
func TestAlertsSayWhatDoctorSays(t *testing.T) {
	kinds := map[string]Kind{}
	for _, c := range Checks() {
		for _, k := range c.Kinds {
			kinds[k.Name] = k
		}
	}
	content, alerts := readAlerts(t)
	for _, a := range alerts {
		name := a.Labels["finding"]
		k, ok := kinds[name]
		if severity := map[Severity]string{Broken: "critical", Warning: "warning"}[k.Severity]; name == "" {
			continue
		} else if !ok || a.Labels["severity"] != severity {
			t.Errorf("%s has severity %s, and doctor's %s has %s", a.Alert, a.Labels["severity"], name, severity)
			continue
		}
		who, _, _ := strings.Cut(a.Annotations["description"], ": ")
		want := who + ": " + plain(k.Means) + " " + plain(k.Remedy)
		if a.Annotations["description"] != want {
			t.Errorf("%s does not say what doctor does of %s; `UPDATE=1 go test ./cmd/registry/internal/doctor` writes it", a.Alert, name)
			content = strings.Replace(content, quoted(a.Annotations["description"]), quoted(want), 1)
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(alertsFile, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAlertsNameWhatTheyAreAbout: with labels that the alert has, as its test in promtool knows it, and
// the remedy of what doctor does not find is there as well.
func TestAlertsNameWhatTheyAreAbout(t *testing.T) {
	_, alerts := readAlerts(t)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(alertsFile), "tests", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tests := ""
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(text)
	}
	used := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, a := range alerts {
		fires := regexp.MustCompile(`labels: 'ALERTS\{alertname="`+a.Alert+`",[^}]*\}', value: 1`).FindAllString(tests, -1)
		if len(fires) != 1 {
			t.Errorf("%s fires in %d tests", a.Alert, len(fires))
			continue
		}
		for _, annotation := range []string{"summary", "description"} {
			labels := used.FindAllStringSubmatch(a.Annotations[annotation], -1)
			if len(labels) == 0 {
				t.Errorf("the %s of %s does not say which registry it is about", annotation, a.Alert)
			}
			for _, l := range labels {
				if !strings.Contains(fires[0], l[1]+`="`) {
					t.Errorf("the %s of %s names %s, which it has not: %s", annotation, a.Alert, l[1], fires[0])
				}
			}
		}
	}
}

func readAlerts(t *testing.T) (content string, alerts []alertRule) {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string      `yaml:"name"`
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil || len(file.Groups) == 0 {
		t.Fatalf("%s: %d groups, %v", alertsFile, len(file.Groups), err)
	}
	for _, g := range file.Groups {
		alerts = append(alerts, g.Rules...)
	}
	return string(text), alerts
}

// quoted is a text as it stands in the file.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
