package summary

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// MaxSize is how many bytes an answer has at most; one takes some 700.
	MaxSize = 16 << 10

	maxHeads = 64 // that are named; of more none are
	// MaxImages is how many images are named at most.
	MaxImages = 10
	maxImage  = 400 // bytes: a repository has up to 255, and a tag 128
	// MaxConnected is how many members are named that a registry is connected to; of more none are.
	MaxConnected = 64
	maxText      = 400
	maxName      = 64
)

// Summary is what a registry says of itself.
type Summary struct {
	Now     time.Time     `json:"now"`     // by its clock
	Heard   time.Time     `json:"-"`       // when it was, by the clock of who asked: in the middle of the exchange
	Took    time.Duration `json:"-"`       // how long the exchange took
	Up      time.Duration `json:"up"`      // for how long its storage has been open
	Name    string        `json:"name"`    // "": it has none
	Version string        `json:"version"` // of its build; "": not known
	Map     Map           `json:"map"`

	Kept     *Amount `json:"kept"`      // blobs that it is to keep, and has; nil: not counted yet
	Cache    *Amount `json:"cache"`     // blobs that it has, and is not to keep; nil: not counted yet
	OnlyHere *Amount `json:"only_here"` // blobs that no other registry has that answered; nil: it has not asked yet

	Images []string `json:"only_here_images"` // some of those that need a blob of OnlyHere

	Free  int64 `json:"free"` // bytes of its disk; both 0: its system does not tell
	Total int64 `json:"total"`

	Transfers int   `json:"transfers"` // blobs that are on their way to it
	In        int64 `json:"in"`        // bytes of blobs that it received from members since it was opened
	Out       int64 `json:"out"`       // and that it sent

	Trouble *Trouble `json:"trouble"` // nil: none since it was opened

	// Connected are the peer IDs of the members that it is connected to; nil: it does not say, as
	// earlier releases, or they are too many.
	Connected []string `json:"connected"`
}

// Map is the path map of a registry.
type Map struct {
	Digest  string   `json:"digest"` // the same one says the same map
	Entries int      `json:"entries"`
	Heads   []string `json:"heads"` // CIDs of the deltas that no other follows; none: they are too many
}

// Amount is a number of blobs, and the sum of their sizes.
type Amount struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// Trouble is the last warning or error in a registry's log.
type Trouble struct {
	Ago  time.Duration `json:"ago"`
	Text string        `json:"text"`
}

// answer is what travels.
type answer struct {
	Summary *Summary `json:"summary,omitempty"`
	Refused string   `json:"refused,omitempty"` // one of the words below
}

const (
	stranger = "stranger" // the asker is not trusted there
	busy     = "busy"
)

var (
	// ErrStranger reports that a member does not trust this registry.
	ErrStranger = errors.New("does not trust this registry (its trustedpeers)")
	// ErrBusy reports that a member answers too many questions already.
	ErrBusy = errors.New("is busy with such questions: ask again")
	// ErrLied reports an answer that is none.
	ErrLied = errors.New("answered what is no summary")
)

// read reads what a member answered.
func read(b []byte) (Summary, error) {
	if len(b) > MaxSize {
		return Summary{}, fmt.Errorf("%w: more than %d bytes", ErrLied, MaxSize)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrLied, err)
	}
	switch {
	case a.Refused == stranger:
		return Summary{}, ErrStranger
	case a.Refused == busy:
		return Summary{}, ErrBusy
	case a.Summary == nil:
		return Summary{}, ErrLied
	}
	return a.Summary.Plausible(), nil
}

// Plausible is a summary with nothing in it that cannot be, or that is longer than it may be: whoever
// shows or counts it need not look. It changes what s points to.
func (s Summary) Plausible() Summary {
	s.Name, s.Version = printable(s.Name, maxName), printable(s.Version, maxName)
	s.Map.Digest, s.Map.Entries = printable(s.Map.Digest, 2*maxName), max(0, s.Map.Entries)
	s.Map.Heads, s.Connected = heads(s.Map.Heads), peers(s.Connected)
	s.Images = slices.Clone(s.Images[:min(len(s.Images), MaxImages)])
	for i, image := range s.Images {
		s.Images[i] = printable(image, maxImage)
	}
	s.Up, s.Transfers = max(0, s.Up), max(0, s.Transfers)
	for _, n := range []*int64{&s.Free, &s.Total, &s.In, &s.Out} {
		*n = max(0, *n)
	}
	for _, a := range []*Amount{s.Kept, s.Cache, s.OnlyHere} {
		if a != nil {
			a.Blobs, a.Bytes = max(0, a.Blobs), max(0, a.Bytes)
		}
	}
	if s.Trouble != nil {
		s.Trouble.Ago, s.Trouble.Text = max(0, s.Trouble.Ago), printable(s.Trouble.Text, maxText)
	}
	return s
}

// heads are those of a list, if all of them are CIDs, and not too many.
func heads(list []string) []string {
	if len(list) > maxHeads {
		return nil
	}
	for _, text := range list {
		if len(text) > 2*maxName { // to read one takes time by the square of its length
			return nil
		}
		if _, err := cid.Decode(text); err != nil {
			return nil
		}
	}
	return list
}

// peers are those of a list, if all of them are peer IDs, and not too many.
func peers(list []string) []string {
	if len(list) > MaxConnected {
		return nil
	}
	for _, text := range list {
		if len(text) > 2*maxName {
			return nil
		}
		if _, err := peer.Decode(text); err != nil {
			return nil
		}
	}
	return list
}

// printable is a text of at most so many bytes, which no terminal takes for orders.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar:
			return -1
		case unicode.IsPrint(r):
			return r
		}
		return ' '
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most-len("…")], "") + "…"
	}
	return text
}
