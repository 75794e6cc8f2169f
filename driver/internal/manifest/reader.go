package manifest

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
)

// reader walks through JSON that is known to be valid, which takes a sixth of the time that
// encoding/json's tokens take.
type reader struct {
	rest  []byte
	found Manifest
	depth int // of objects
}

// next is the first character of what comes next.
func (r *reader) next() byte {
	r.rest = bytes.TrimLeft(r.rest, " \t\r\n")
	return r.rest[0]
}

// accept takes a character, if it comes next.
func (r *reader) accept(c byte) bool {
	if r.next() != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// value reads the value of a key, in the field of the manifest with that name.
func (r *reader) value(field, key []byte) {
	switch r.next() {
	case '{':
		r.object(field)
	case '[':
		r.rest = r.rest[1:]
		for !r.accept(']') {
			r.value(field, key)
			r.accept(',')
		}
	case '"':
		text := r.text()
		if len(text) > 0 && (is(key, "digest") || is(key, "blobSum")) { // the latter in docker's first schema
			r.found.name(field, r.depth, digest.Digest(text))
		}
	default:
		if end := bytes.IndexAny(r.rest, ",]} \t\r\n"); end > 0 {
			r.rest = r.rest[end:]
		}
	}
}

func (r *reader) object(field []byte) {
	r.rest = r.rest[1:]
	r.depth++
	for !r.accept('}') {
		key := r.text()
		if r.depth == 1 {
			field = key
		}
		r.accept(':')
		r.value(field, key)
		r.accept(',')
	}
	r.depth--
}

// text reads a string.
func (r *reader) text() []byte {
	r.next()
	quoted := r.rest[:1+textLen(r.rest[1:])]
	r.rest = r.rest[len(quoted):]
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) { // a decoder puts U+FFFD for what is not
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return []byte(s)
}

// textLen is the length of a string that has begun, with the quotation mark at its end.
func textLen(b []byte) int {
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}
