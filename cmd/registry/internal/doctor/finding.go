package doctor

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/dustin/go-humanize/english"
)

// Severity is how bad a finding is.
type Severity string

// From the best to the worst.
const (
	OK      Severity = "ok"
	Unknown Severity = "unknown" // it could not be found out
	Warning Severity = "warning"
	Broken  Severity = "broken" // something that a registry is for does not work
)

var order = []Severity{OK, Unknown, Warning, Broken}

// Worse reports whether a severity is worse than another.
func (s Severity) Worse(than Severity) bool {
	return slices.Index(order, s) > slices.Index(order, than)
}

// Finding is what one check found of one thing.
type Finding struct {
	Check    string   `json:"check"`
	Kind     string   `json:"kind"` // what was found, such as disk-full; "" when nothing is wrong, or it is not known
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"` // the member, key or path that it is about; "": this registry
	What     string   `json:"what"`    // in one line
	Means    string   `json:"means"`   // what comes of it; "" when nothing is wrong, or it is not known
	Remedy   string   `json:"remedy"`  // what to do about it, likewise
}

// Kind is what may be found. What it means, and what to do, is the same wherever it is found; both
// are Markdown, whose links begin in docs.
type Kind struct {
	Name     string
	Severity Severity
	Means    string
	Remedy   string
}

// found is a finding of a kind.
func (k Kind) found(subject, what string, args ...any) Finding {
	return Finding{Kind: k.Name, Severity: k.Severity, Subject: subject, What: fmt.Sprintf(what, args...), Means: plain(k.Means), Remedy: plain(k.Remedy)}
}

var link = regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`)

// plain is Markdown for a terminal: a link is its text, and where it leads.
func plain(text string) string { return link.ReplaceAllString(text, "$1, docs/$2") }

// unknown is a finding that something could not be found out.
func unknown(subject, why string, args ...any) Finding {
	return Finding{Severity: Unknown, Subject: subject, What: fmt.Sprintf(why, args...)}
}

// Worst is the worst severity of some findings; OK when there are none.
func Worst(all []Finding) Severity {
	worst := OK
	for _, f := range all {
		if f.Severity.Worse(worst) {
			worst = f.Severity
		}
	}
	return worst
}

// counted is a number of things, such as "1 blob" or "3 files".
func counted(n int, thing string) string {
	return fmt.Sprintf("%d %s", n, english.PluralWord(n, thing, ""))
}
