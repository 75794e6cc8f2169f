package pathmap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	ds "github.com/ipfs/go-datastore"
)

// pathNamespace is the first component of every key that names a path,
// settingNamespace of one that names a setting. Keys outside them belong to later
// releases and are kept unread.
const (
	pathNamespace    = "/f"
	settingNamespace = "/s"
)

// maxKey bounds a key in bytes.
const maxKey = 4096

// version orders the writes of one path: a Lamport counter, then the writer.
type version struct {
	counter uint64
	writer  string // peer ID, and an incarnation after a dot
}

func (v version) less(o version) bool {
	if v.counter != o.counter {
		return v.counter < o.counter
	}
	return v.writer < o.writer
}

// keyOf gives the datastore key of one version of a path. A path of a storage
// driver has no colon, so the instance separates cleanly.
func keyOf(path string, v version) ds.Key {
	namespace := pathNamespace
	if isSetting(path) {
		namespace, path = settingNamespace, "/"+path[len(settingMark):]
	}
	return ds.RawKey(fmt.Sprintf("%s%s:%016x-%s", namespace, path, v.counter, v.writer))
}

var errBadKey = errors.New("malformed key")

// parseKey is the inverse of keyOf: it accepts no key that keyOf would write differently,
// because then two keys would be one version here. A setting's path begins with
// settingMark. ours is false for a well-formed key of another namespace.
func parseKey(key string) (path string, v version, ours bool, err error) {
	if len(key) > maxKey || !strings.HasPrefix(key, "/") || ds.NewKey(key).String() != key {
		return "", v, false, errBadKey
	}
	first := "/"
	rest, ours := strings.CutPrefix(key, pathNamespace+"/")
	if !ours {
		first = settingMark
		rest, ours = strings.CutPrefix(key, settingNamespace+"/")
	}
	if !ours {
		return "", v, false, nil
	}
	at := strings.LastIndexByte(rest, ':')
	if at <= 0 || len(rest)-at < 19 || rest[at+17] != '-' {
		return "", v, true, errBadKey
	}
	counter := rest[at+1 : at+17]
	if v.counter, err = strconv.ParseUint(counter, 16, 64); err != nil || strings.ToLower(counter) != counter {
		return "", v, true, errBadKey
	}
	v.writer = rest[at+18:]
	path = first + rest[:at]
	if strings.ContainsAny(rest[:at], ":\x00\x01") || strings.HasSuffix(path, "/") || strings.ContainsAny(v.writer, "/:") {
		return "", v, true, errBadKey
	}
	return path, v, true, nil
}
