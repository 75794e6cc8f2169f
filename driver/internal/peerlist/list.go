// Package peerlist reads lists of peers: those that a configuration has, and those in files, which
// operators and programs change while a registry runs.
//
//	# who may push to the swarm
//	12D3KooWGQcz9twM4nC3414fR8MWrQK5uSKrukyC4JUJaypYdRdy # attic
//	12D3KooWQ9j1J5a5Y4nC3414fR8MWrQK5uSKrukyC4JUJaypYdRd # barn, 192.0.2.11
//
// A file has a peer ID a line; what follows a # is a comment, and, behind a peer ID, the name by which
// messages call it. "*" alone stands for everybody.
//
// A list that names nobody is an error: an empty file is one that is only half written, or that somebody
// emptied by mistake, and whoever takes it for a list shuts out the whole swarm.
package peerlist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxFile = 1 << 20 // bytes: some ten thousand peers
	maxID   = 128     // bytes of a peer ID as text: to decode one takes time by the square of its length
	maxName = 64      // characters

	everybody = "*"
)

// List is some peers, or all. It is not changed once it is made.
type List struct {
	All   bool               // everybody; then there are no IDs
	IDs   []peer.ID          // sorted, each once
	Names map[peer.ID]string // of those that have one
}

// Of is the list that a configuration has; everybody where it has none.
func Of(texts []string) (List, error) {
	if len(texts) == 0 {
		return List{All: true}, nil
	}
	var l List
	for _, text := range texts {
		if err := l.add(text, ""); err != nil {
			return List{}, err
		}
	}
	return l.sorted()
}

// Read reads a file.
func Read(path string) (List, error) {
	content, err := read(path)
	if err != nil {
		return List{}, err
	}
	return parse(content)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return content, err
}

var errNobody = errors.New(`names nobody; list peer IDs, one a line, or "*" for everybody`)

func parse(content []byte) (List, error) {
	var l List
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		text, comment, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if err := l.add(text, nameOf(comment)); err != nil {
			return List{}, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return List{}, err
	}
	if !l.All && len(l.IDs) == 0 {
		return List{}, errNobody
	}
	return l.sorted()
}

func (l *List) add(text, name string) error {
	if text == everybody {
		l.All = true
		return nil
	}
	id, err := peer.Decode(text[:min(len(text), maxID)])
	if err != nil || len(text) > maxID {
		return fmt.Errorf("%q is not a peer ID such as 12D3KooW…; `registry ipfs id` prints it", shown(text))
	}
	l.IDs = append(l.IDs, id)
	if name == "" {
		return nil
	}
	if l.Names == nil {
		l.Names = map[peer.ID]string{}
	}
	l.Names[id] = name
	return nil
}

func (l List) sorted() (List, error) {
	if l.All && len(l.IDs) > 0 {
		return List{}, errors.New(`"*" means everybody and stands alone`)
	}
	slices.Sort(l.IDs)
	l.IDs = slices.Compact(l.IDs)
	return l, nil
}

// nameOf is the part of a comment that fits into a message.
func nameOf(comment string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, comment)
	return strings.TrimSpace(shown(strings.TrimSpace(printable)))
}

// shown is the beginning of a text that may be long.
func shown(text string) string {
	n := 0
	for i := range text {
		if n++; n > maxName {
			return text[:i]
		}
	}
	return text
}

// Equal reports whether two lists say the same, names included.
func (l List) Equal(o List) bool {
	if l.All != o.All || !slices.Equal(l.IDs, o.IDs) || len(l.Names) != len(o.Names) {
		return false
	}
	for id, name := range l.Names {
		if o.Names[id] != name {
			return false
		}
	}
	return true
}
