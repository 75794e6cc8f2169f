package doctor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// example is facts as they differ from those of a swarm in which all is fine, and what is found.
type example struct {
	Name     string          `json:"name"`
	Facts    json.RawMessage `json:"facts"`
	Findings []Finding       `json:"findings"`
	Unknown  string          `json:"unknown"` // why all that is not known is not known
}

func fine(t *testing.T) any {
	t.Helper()
	var v any
	content, err := os.ReadFile("testdata/fine.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// changed is a value with what another says of it: member by member, and element by element.
func changed(is, by any) any {
	switch by := by.(type) {
	case map[string]any:
		if is, ok := is.(map[string]any); ok {
			for key, v := range by {
				is[key] = changed(is[key], v)
			}
			return is
		}
	case []any:
		if is, ok := is.([]any); ok {
			for i, v := range by {
				if i < len(is) {
					is[i] = changed(is[i], v)
				} else {
					is = append(is, v)
				}
			}
			return is
		}
	}
	return by
}

func factsOf(t *testing.T, v any) (f Facts) {
	t.Helper()
	content, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(content, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func examples(t *testing.T) (all []example) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "fine.json" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var of []example
		if err := json.Unmarshal(content, &of); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, of...)
	}
	return all
}

// TestWhereAllIsFine nothing is found, and each check says what holds.
func TestWhereAllIsFine(t *testing.T) {
	all := Examine(factsOf(t, fine(t)))
	if len(all) != len(Checks()) {
		t.Errorf("%d findings of %d checks", len(all), len(Checks()))
	}
	for _, f := range all {
		if f.Severity != OK || f.What == "" || f.Check == "" {
			t.Errorf("%+v", f)
		}
	}
}

// TestFindings: what is found in each of the examples, and nothing else.
func TestFindings(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.Name, func(t *testing.T) {
			var by any
			if err := json.Unmarshal(e.Facts, &by); err != nil {
				t.Fatal(err)
			}
			var got []Finding
			for _, f := range Examine(factsOf(t, changed(fine(t), by))) {
				if f.Severity != OK && (f.Severity != Unknown || f.What != e.Unknown) {
					got = append(got, f)
				}
			}
			for i, want := range e.Findings {
				if i >= len(got) {
					t.Errorf("not found: %+v", want)
				} else if !same(got[i], want) {
					t.Errorf("found %+v, not %+v", got[i], want)
				}
			}
			for _, f := range got[min(len(got), len(e.Findings)):] {
				t.Errorf("found as well: %+v", f)
			}
		})
	}
}

// same compares with a finding of an example, which does not repeat what its kind says.
func same(got, want Finding) bool {
	if want.Kind == "" {
		return got.Kind == "" && got.Check == want.Check && got.Severity == want.Severity && got.Subject == want.Subject && got.What == want.What
	}
	return got.Kind == want.Kind && got.Subject == want.Subject && got.What == want.What && got.Check != "" && got.Means != "" && got.Remedy != ""
}

// TestEachKindHasAnExample: each check finds all that it says it may find, and no other.
func TestEachKindHasAnExample(t *testing.T) {
	open := map[string]Kind{}
	of := map[string]string{}
	for _, c := range Checks() {
		for _, k := range c.Kinds {
			if _, twice := open[k.Name]; twice || k.Name == "" || k.Means == "" || k.Remedy == "" || !k.Severity.Worse(Unknown) {
				t.Errorf("kind %+v", k)
			}
			open[k.Name], of[k.Name] = k, c.Name
		}
	}
	for _, e := range examples(t) {
		var by any
		if err := json.Unmarshal(e.Facts, &by); err != nil {
			t.Fatal(err)
		}
		for _, f := range Examine(factsOf(t, changed(fine(t), by))) {
			if f.Kind != "" && of[f.Kind] != f.Check {
				t.Errorf("check %s finds %s, which it does not list", f.Check, f.Kind)
			}
			delete(open, f.Kind)
		}
	}
	for name := range open {
		t.Errorf("no example of %s", name)
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		of   []Severity
		want Severity
	}{
		{nil, OK}, {[]Severity{OK, Unknown}, Unknown}, {[]Severity{Warning, OK}, Warning}, {[]Severity{Unknown, Broken, Warning}, Broken},
	} {
		var all []Finding
		for _, s := range c.of {
			all = append(all, Finding{Severity: s})
		}
		if got := Worst(all); got != c.want {
			t.Errorf("of %v it is %s", c.of, got)
		}
	}
	if slices.ContainsFunc(order, func(s Severity) bool { return s.Worse(s) }) {
		t.Error("one is worse than itself")
	}
}
