package peerlist

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// somebody is a peer ID.
func somebody(t testing.TB) peer.ID {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestParse(t *testing.T) {
	a, b := somebody(t), somebody(t)
	both := []peer.ID{a, b}
	slices.Sort(both)
	for name, c := range map[string]struct {
		content, wrong string
		want           List
	}{
		"one":               {content: a.String() + "\n", want: List{IDs: []peer.ID{a}}},
		"without a newline": {content: a.String(), want: List{IDs: []peer.ID{a}}},
		"comments, a name": {
			content: "# all of us\n\n  " + a.String() + " # attic \t\r\n" + b.String() + "#\n" + a.String() + "\n",
			want:    List{IDs: both, Names: map[peer.ID]string{a: "attic"}},
		},
		"a name that is no name": {
			content: a.String() + " # \x1b[31m" + strings.Repeat("ä", 100) + "\n",
			want:    List{IDs: []peer.ID{a}, Names: map[peer.ID]string{a: "[31m" + strings.Repeat("ä", maxName-4)}},
		},
		"everybody":              {content: "* # for now\n", want: List{All: true}},
		"everybody and one":      {content: "*\n" + a.String(), wrong: "stands alone"},
		"empty":                  {wrong: "names nobody"},
		"comments only":          {content: "# nobody\n", wrong: "names nobody"},
		"no peer ID":             {content: a.String() + "\n\nattic\n", wrong: `line 3: "attic" is not a peer ID`},
		"half a peer ID":         {content: a.String()[:20], wrong: "line 1: "},
		"two in a line":          {content: a.String() + " " + b.String(), wrong: "line 1: "},
		"a very long line":       {content: "#\n" + strings.Repeat("1", 1<<19), wrong: "line 2: "},
		"a name as a peer's":     {content: "attic " + a.String(), wrong: "line 1: "},
		"an address of libp2p's": {content: "/ip4/127.0.0.1/tcp/4619/p2p/" + a.String(), wrong: "line 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse([]byte(c.content))
			switch {
			case c.wrong != "":
				if err == nil || !strings.Contains(err.Error(), c.wrong) || len(err.Error()) > 500 {
					t.Errorf("%v", err)
				}
			case err != nil || !got.Equal(c.want):
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestOf(t *testing.T) {
	id := somebody(t)
	for name, c := range map[string]struct {
		texts []string
		want  List
		wrong string
	}{
		"none":              {nil, List{All: true}, ""},
		"everybody":         {[]string{"*"}, List{All: true}, ""},
		"one":               {[]string{id.String(), id.String()}, List{IDs: []peer.ID{id}}, ""},
		"everybody and one": {[]string{id.String(), "*"}, List{}, "stands alone"},
		"a mistake":         {[]string{"attic"}, List{}, `"attic" is not a peer ID`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Of(c.texts)
			if c.wrong == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.wrong) || !got.Equal(c.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestAFileThatGrowsTooLarge is not read whole.
func TestAFileThatGrowsTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers")
	if err := os.WriteFile(path, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	id := somebody(f)
	f.Add([]byte("# all\n" + id.String() + " # attic\n*\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		l, err := parse(content)
		if err != nil {
			return
		}
		if l.All == (len(l.IDs) > 0) {
			t.Errorf("%+v", l)
		}
		var again strings.Builder
		if l.All {
			again.WriteString(everybody)
		}
		for _, id := range l.IDs {
			again.WriteString(id.String() + " # " + l.Names[id] + "\n")
		}
		if o, err := parse([]byte(again.String())); err != nil || !o.Equal(l) {
			t.Errorf("%+v, then %+v, %v", l, o, err)
		}
	})
}
