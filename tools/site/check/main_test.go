package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, body, says string }{
		{"whole", `<link href="a.css"><h2 id="here">x</h2><a href="#here">x</a><a href="./sub/b.html#there">x</a><a href="https://example.com/">x</a>`, ""},
		{"no file", `<a href="./c.html">x</a>`, "not exist"},
		{"no place", `<a href="sub/b.html#here">x</a>`, "no such place"},
		{"no place here", `<a href="#gone">x</a>`, "no such place"},
		{"a root", `<a href="/sub/b.html">x</a>`, "root"},
		{"a script of others", `<script src="https://example.com/a.js"></script>`, "from elsewhere"},
		{"a font of others", `<link href="//example.com/a.css">`, "from elsewhere"},
		{"no picture", `<img src="a.png">`, "not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := check(fstest.MapFS{
				"index.html":  {Data: []byte(c.body)},
				"sub/b.html":  {Data: []byte(`<h2 id="there">x</h2><a href="../index.html">x</a>`)},
				"a.css":       {},
				"sub/api.txt": {},
			})
			switch {
			case c.says == "" && err != nil:
				t.Errorf("%v", err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want …%s…", err, c.says)
			}
		})
	}
	if check(fstest.MapFS{}) == nil {
		t.Error("a site without pages is taken for whole")
	}
}
