package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// helloBound is how much of a hello is read. What is beyond it is not decoded, and never held.
type helloBound struct {
	bytes int64
	names int // members that it names
}

// A hello that nobody asked for names no members; only the answer to one that wants them does.
// It takes some 300 kB for a thousand of them.
var (
	helloAlone     = helloBound{bytes: 32 << 10}
	helloWithNames = helloBound{bytes: 2 << 20, names: maxGreetMembers}
)

const (
	maxTexts  = 64  // of one list in a hello; a later release may send some more, which are not kept
	maxText   = 320 // bytes of one: a DNS name has 253
	maxNested = 16  // how deep what is unknown in a hello may be nested
)

// helloReader reads a hello as it comes, so that its memory depends on what is kept of the hello
// and not on its size: JSON may take sixteen times as much once it is decoded.
type helloReader struct {
	*json.Decoder
	most helloBound
	each func(helloMember) // called with each member that is named
	got  hello
}

// readHello reads until the sender closes its side, or has named as many members as are taken.
// The version comes first, and each member that is named goes to each.
func readHello(r io.Reader, most helloBound, each func(helloMember)) (hello, error) {
	limited := &io.LimitedReader{R: r, N: most.bytes + 1}
	h := helloReader{Decoder: json.NewDecoder(limited), most: most, each: each}
	err := h.read()
	switch {
	case errors.Is(err, errEnough):
	case limited.N == 0:
		return h.got, fmt.Errorf("receive hello: %w: more than %d", errLongHello, most.bytes)
	case err != nil:
		return h.got, fmt.Errorf("receive hello: %w: %w", errHello, err)
	}
	if h.got.Version < 1 {
		return h.got, fmt.Errorf("receive hello: %w: version %d", errHello, h.got.Version)
	}
	return h.got, nil
}

// errLongHello reports a hello that has more bytes than are read.
var errLongHello = fmt.Errorf("%w: too many bytes", errHello)

// errEnough ends the reading of a hello that names more members than are taken.
var errEnough = errors.New("more members than are taken")

func (h *helloReader) read() error {
	if err := h.fields('{', h.field); err != nil {
		return err
	}
	t, err := h.Token()
	if err == nil {
		return fmt.Errorf("%v follows it", t)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (h *helloReader) field(key string) (err error) {
	switch g := &h.got; key {
	case "version":
		return h.Decode(&g.Version)
	case "trust":
		g.Trust, err = h.text()
	case "self":
		g.Self, err = h.texts()
	case "data":
		g.Data, err = h.texts()
	case "relays":
		g.Relays, err = h.texts()
	case "name":
		g.Name, err = h.text()
	case "caps":
		g.Caps, err = h.texts()
	case "beat":
		return h.Decode(&g.Beat)
	case "want":
		return h.Decode(&g.Want)
	case "members":
		return h.members()
	default:
		return h.skip()
	}
	return err
}

// fields calls f with each key of an object, to read its value.
func (h *helloReader) fields(begin json.Delim, f func(key string) error) error {
	t, err := h.Token()
	if err != nil || t != begin {
		return errors.Join(err, fmt.Errorf("%v in place of %v", t, begin))
	}
	for h.More() {
		key, err := h.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // the decoder takes no other
		if err := f(name); err != nil {
			return err
		}
	}
	_, err = h.Token()
	return err
}

// members passes on those that are named, until there are too many.
func (h *helloReader) members() error {
	if h.most.names == 0 || h.got.Version < 1 {
		return h.skip()
	}
	t, err := h.Token()
	if err != nil || t == nil { // none
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%v in place of members", t)
	}
	for n := 0; h.More(); n++ {
		if n == h.most.names || h.InputOffset() > h.most.bytes-helloAlone.bytes {
			return errEnough
		}
		var m helloMember
		err := h.fields('{', func(key string) (err error) {
			switch key {
			case "id":
				m.ID, err = h.text()
			case "addrs":
				m.Addrs, err = h.texts()
			case "caps":
				m.Caps, err = h.texts()
			case "relays":
				m.Relays, err = h.texts()
			default:
				err = h.skip()
			}
			return err
		})
		if err != nil {
			return err
		}
		h.each(m)
	}
	_, err = h.Token()
	return err
}

// text reads a text; "" for one that is too long.
func (h *helloReader) text() (string, error) {
	var s string
	err := h.Decode(&s)
	if len(s) > maxText {
		s = ""
	}
	return s, err
}

// texts reads a list of texts, and keeps the first of those that are not too long.
func (h *helloReader) texts() (list []string, err error) {
	t, err := h.Token()
	if err != nil || t == nil { // none
		return nil, err
	}
	if t != json.Delim('[') {
		return nil, fmt.Errorf("%v in place of a list", t)
	}
	for n := 0; h.More(); n++ {
		t, err := h.Token()
		if err != nil {
			return nil, err
		}
		if n == 4*maxTexts {
			return nil, fmt.Errorf("a list of more than %d texts", n)
		}
		s, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("%v in a list of texts", t)
		}
		if len(s) <= maxText && len(list) < maxTexts {
			list = append(list, s)
		}
	}
	_, err = h.Token()
	return list, err
}

// skip reads a value of whatever kind, and keeps nothing of it.
func (h *helloReader) skip() error {
	for depth := 0; ; {
		t, err := h.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxNested {
			return fmt.Errorf("nested more than %d deep", maxNested)
		}
		if depth == 0 {
			return nil
		}
	}
}
