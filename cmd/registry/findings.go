package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
)

// printFindings prints what is wrong, the worst first, then what is not known and why, and then
// the names of the checks that found nothing.
func printFindings(to io.Writer, found []doctor.Finding) error {
	out, paint := bufio.NewWriter(to), painter(to)
	count := map[doctor.Severity]int{}
	for _, f := range found {
		count[f.Severity]++
	}
	_, _ = fmt.Fprintf(out, "DOCTOR  %d broken, %s, %d not known, %d fine\n", // Flush gives the error
		count[doctor.Broken], counted(count[doctor.Warning], "warning"), count[doctor.Unknown], count[doctor.OK])
	for _, s := range []doctor.Severity{doctor.Broken, doctor.Warning} {
		for _, f := range found {
			if f.Severity != s {
				continue
			}
			line := f.What
			if f.Subject != "" {
				line = f.Subject + ": " + line
			}
			_, _ = fmt.Fprintf(out, "\n%s  %s: %s\n         %s\n         -> %s\n", paint(s), f.Kind, printable(line), f.Means, f.Remedy)
		}
	}
	if count[doctor.Unknown]+count[doctor.OK] > 0 {
		_, _ = fmt.Fprintln(out)
	}
	for _, why := range reasons(found) {
		_, _ = fmt.Fprintf(out, "%s  %s: %s\n", paint(doctor.Unknown), strings.Join(checksWith(found, doctor.Unknown, why), ", "), printable(why))
	}
	if fine := checksWith(found, doctor.OK, ""); len(fine) > 0 {
		_, _ = fmt.Fprintf(out, "%s  %s\n", paint(doctor.OK), strings.Join(fine, ", "))
	}
	return out.Flush()
}

// reasons are why something is not known, each once.
func reasons(found []doctor.Finding) (list []string) {
	seen := map[string]bool{}
	for _, f := range found {
		why := reason(f)
		if f.Severity == doctor.Unknown && !seen[why] {
			seen[why] = true
			list = append(list, why)
		}
	}
	return list
}

func reason(f doctor.Finding) string {
	if f.Subject == "" {
		return f.What
	}
	return f.Subject + ": " + f.What
}

// checksWith are the checks of findings of a severity, and for a reason unless that is "".
func checksWith(found []doctor.Finding, s doctor.Severity, why string) (names []string) {
	for _, f := range found {
		if f.Severity == s && (why == "" || reason(f) == why) {
			names = append(names, f.Check)
		}
	}
	return names
}

// painter gives the words for severities, seven letters wide and in color on a terminal, unless
// NO_COLOR is set (https://no-color.org).
func painter(to io.Writer) func(doctor.Severity) string {
	colors := map[doctor.Severity]string{doctor.Broken: "1;31", doctor.Warning: "33", doctor.Unknown: "36", doctor.OK: "32"}
	f, ok := to.(*os.File)
	ok = ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
	return func(s doctor.Severity) string {
		word := fmt.Sprintf("%-7s", strings.ToUpper(string(s)))
		if !ok {
			return word
		}
		return "\x1b[" + colors[s] + "m" + word + "\x1b[0m"
	}
}
