package main

import (
	"net/http"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/sirupsen/logrus"
)

// whileReadOnly answers what would change anything with 405, for as long as the storage takes no
// changes, and says why. distribution has such a mode, which it cannot begin or end while it runs.
func whileReadOnly(readOnly func() string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := ""
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
			why = readOnly()
		}
		if why == "" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		err := errcode.ErrorCodeUnsupported.WithMessage("this registry takes no pushes and deletes: " + why)
		if err := errcode.ServeJSON(w, err); err != nil {
			logrus.WithError(err).Debug("a client was not told that this registry is read-only")
		}
	})
}
