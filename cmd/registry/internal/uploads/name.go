package uploads

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

const (
	ownerParam = "_member" // beside distribution's _state, in a Location
	stateParam = "_state"

	// nextParam has the same with the swarm's next secret, while that is changed: registries that
	// have only one of the two read the one that they can.
	nextParam = "_membernext"
)

// names signs and reads the name of an upload's owner.
type names struct {
	self    string   // this registry's peer ID
	secrets [][]byte // that of the swarm, and while it is changed the next one
}

// owner reads the owner from an upload's URL; false when the URL has none that a registry
// of this swarm signed for this upload.
func (n names) owner(query url.Values, repository, uuid string) (id string, ok bool) {
	for _, param := range []string{ownerParam, nextParam} {
		id, signature, _ := strings.Cut(query.Get(param), ".")
		mac, err := base64.RawURLEncoding.DecodeString(signature)
		if err == nil && slices.ContainsFunc(n.secrets, func(secret []byte) bool { return hmac.Equal(mac, sign(secret, id, repository, uuid)) }) {
			return id, true
		}
	}
	return "", false
}

// sign is the signature of an owner's name.
func sign(secret []byte, id, repository, uuid string) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range []string{id, repository, uuid} {
		mac.Write([]byte(part + "\n")) // none of them contains a line break
	}
	return mac.Sum(nil)
}

// locate names this registry in a Location that leads to one of its uploads.
func (n names) locate(header http.Header, repository string) {
	u, err := url.Parse(header.Get("Location"))
	if err != nil {
		return
	}
	query := u.Query()
	if !query.Has(stateParam) { // it leads to a blob, or nowhere
		return
	}
	for i, secret := range n.secrets {
		signature := base64.RawURLEncoding.EncodeToString(sign(secret, n.self, repository, path.Base(u.Path)))
		query.Set([]string{ownerParam, nextParam}[i], n.self+"."+signature)
	}
	u.RawQuery = query.Encode()
	header.Set("Location", u.String())
}

// named is a response about an upload of this registry.
type named struct {
	http.ResponseWriter
	names      names
	repository string
	began      bool
}

// WriteHeader implements http.ResponseWriter.
func (n *named) WriteHeader(status int) {
	if !n.began && status >= http.StatusOK {
		n.began = true
		n.names.locate(n.Header(), n.repository)
	}
	n.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (n *named) Write(b []byte) (int, error) {
	if !n.began {
		n.WriteHeader(http.StatusOK)
	}
	return n.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (n *named) Flush() { _ = http.NewResponseController(n.ResponseWriter).Flush() }

// Unwrap gives what is below to http.ResponseController.
func (n *named) Unwrap() http.ResponseWriter { return n.ResponseWriter }
