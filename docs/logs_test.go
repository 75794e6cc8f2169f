package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// levels are the calls that log what an operator sees by default, and their level.
var levels = map[string]string{
	"Info": "info", "Infof": "info", "Warn": "warning", "Warnf": "warning", "Warning": "warning", "Warningf": "warning",
	"Error": "error", "Errorf": "error", "Fatal": "error", "Fatalf": "error", "Panic": "error", "Panicf": "error",
}

// noLoggers have functions of these names, too.
var noLoggers = []string{"fmt", "http", "errors", "t", "b"}

// said are the messages that a call takes from elsewhere, by its file and argument; they stand in the
// code. Those without any say what others said.
var said = map[string][]string{
	"driver/internal/engine/copies.go drainText": {drained},
	"driver/internal/engine/drain.go drainText":  {drained, "this registry is no longer being drained: it takes pushes, and keeps blobs for others"},
	"driver/internal/engine/joining.go onlyAPart": {"this registry joined its swarm, has only a part of what the others have, and cannot meet them: " +
		"it serves no tags and no lists, since its part may be of any age; start one of the others, or, " +
		"if they are gone for good, `registry ipfs forget` them, and take them out of its bootstrappers"},
	"driver/internal/sweep/scrub.go what":    {}, // of complain
	"cmd/registry/logs.go strings.TrimSpace": {}, // Go's own log
	"cmd/registry/logs.go text":              {}, // why a command failed
}

const drained = "this registry is being drained: it takes no pushes, and others fetch what it kept (`registry ipfs drain` says how far they are)"

// complainers log the last of their arguments as a warning, beside those that have none.
const complainers = "complain"

// grades are the levels, from the least severe up: a message that is logged as several is on the page
// as the most severe one.
var grades = []string{"", "info", "warning", "error"}

// logged is what our packages log: the level of each message, and the fields beside them.
type logged struct {
	fset     *token.FileSet
	messages map[string]string // by the message: its level
	fields   map[string]bool
	literals map[string]bool // of the code
	used     map[string]bool // of said
	problems []string
}

// TestThePageHasAllMessages compares the tables of logs.md with what the code logs, both ways.
func TestThePageHasAllMessages(t *testing.T) {
	code := &logged{fset: token.NewFileSet(), messages: map[string]string{}, fields: map[string]bool{"error": true}, literals: map[string]bool{}, used: map[string]bool{}}
	for _, dir := range []string{"../driver", "../cmd/registry"} {
		if err := filepath.WalkDir(dir, code.file); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range code.problems {
		t.Error(p)
	}
	for where, all := range said {
		if lost := slices.DeleteFunc(slices.Clone(all), func(m string) bool { return code.literals[m] }); !code.used[where] || len(lost) > 0 {
			t.Errorf("nothing logs %s any more: %q", where, lost)
		}
	}
	messages, fields := page(t)
	compare(t, "message", messages, code.messages)
	of := map[string]string{}
	for f := range code.fields {
		of[f] = ""
	}
	compare(t, "field", fields, of)
}

func compare(t *testing.T, what string, page, code map[string]string) {
	t.Helper()
	for _, m := range slices.Sorted(maps.Keys(code)) {
		if level, ok := page[m]; !ok {
			t.Errorf("a %s is logged that is not on logs.md (%s): %s", what, code[m], m)
		} else if level != code[m] {
			t.Errorf("on logs.md this is a %s, and it is logged as %s: %s", level, code[m], m)
		}
	}
	for _, m := range slices.Sorted(maps.Keys(page)) {
		if _, ok := code[m]; !ok {
			t.Errorf("a %s on logs.md is not logged: %s", what, m)
		}
	}
}

var (
	messageRow = regexp.MustCompile("^\\| (?:`` (.+?) ``|`([^`]+)`) \\| [^|]+ \\| [^|]* ?\\|$")
	fieldRow   = regexp.MustCompile("^\\| `([a-z_.]+)` \\| [^|]+ \\|$")
	heading    = regexp.MustCompile(`^## (Info|Warning|Error|Field)s?$`)
)

func page(t *testing.T) (messages, fields map[string]string) {
	t.Helper()
	content, err := os.ReadFile("logs.md")
	if err != nil {
		t.Fatal(err)
	}
	messages, fields = map[string]string{}, map[string]string{}
	level := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if h := heading.FindStringSubmatch(line); h != nil {
			level = strings.ToLower(h[1])
		} else if row := messageRow.FindStringSubmatch(line); row != nil {
			messages[row[1]+row[2]] = level
		} else if row := fieldRow.FindStringSubmatch(line); row != nil && level == "field" {
			fields[row[1]] = ""
		} else if strings.HasPrefix(line, "| `") {
			t.Errorf("a row that cannot be read: %s", line)
		}
	}
	return messages, fields
}

// file reads what a file logs; it is a fs.WalkDirFunc.
func (l *logged) file(path string, e fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case e.IsDir() && slices.Contains([]string{"testdata", "drivertest"}, e.Name()):
		return filepath.SkipDir
	case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
		return nil
	}
	parsed, err := parser.ParseFile(l.fset, path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		l.note(n)
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		of, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if name, ok := of.X.(*ast.Ident); ok && slices.Contains(noLoggers, name.Name) {
			return true
		}
		if level := levels[of.Sel.Name]; level != "" {
			l.message(path, level, call.Args[0])
		}
		switch name := of.Sel.Name; {
		case name == "WithField":
			l.field(call.Args[0])
		case name == complainers && len(call.Args) > 1:
			l.message(path, "warning", call.Args[len(call.Args)-1])
		}
		return true
	})
	return nil
}

// note notes literals, and the fields of a logrus.Fields, also those that are added to it later.
func (l *logged) note(n ast.Node) {
	switch n := n.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(n.Value); err == nil {
			l.literals[text] = true
		}
	case *ast.BinaryExpr:
		l.literals[parts(n)] = true
	case *ast.IndexExpr:
		if of, ok := n.X.(*ast.Ident); ok && of.Name == "fields" {
			l.field(n.Index)
		}
	case *ast.CompositeLit:
		if of, ok := n.Type.(*ast.SelectorExpr); !ok || of.Sel.Name != "Fields" {
			return
		}
		for _, e := range n.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				l.field(pair.Key)
			}
		}
	}
}

func (l *logged) field(name ast.Expr) {
	if lit, ok := name.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		text, _ := strconv.Unquote(lit.Value) // the parser has read it
		l.fields[text] = true
	}
}

func (l *logged) message(path, level string, arg ast.Expr) {
	text := strings.Trim(parts(arg), "…")
	where := filepath.ToSlash(strings.TrimPrefix(path, "../")) + " " + exprText(arg)
	all, elsewhere := said[where]
	switch {
	case elsewhere:
		l.used[where] = true
	case text == "":
		l.problems = append(l.problems, fmt.Sprintf("%s logs what is no text: have it log one, or say in said what it may be (%q)", l.fset.Position(arg.Pos()), where))
	default:
		all = []string{parts(arg)}
	}
	for _, m := range all {
		if slices.Index(grades, level) > slices.Index(grades, l.messages[m]) {
			l.messages[m] = level
		}
	}
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// parts is a message with an ellipsis for each part that only a run knows.
func parts(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return verb.ReplaceAllString(text, "…")
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return parts(e.X) + parts(e.Y)
		}
	case *ast.ParenExpr:
		return parts(e.X)
	}
	return "…"
}

// exprText is the name of what is logged.
func exprText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.CallExpr:
		return exprText(e.Fun)
	case *ast.SelectorExpr:
		return exprText(e.X) + "." + e.Sel.Name
	}
	return ""
}
