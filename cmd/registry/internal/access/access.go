// Package access admits the clients that distribution's configured access controller admits,
// and requests that another member has forwarded after admitting their client.
//
//	c, err := access.Install(config)            // before the registry is made
//	user, ok := c.Check(w, r, "team/app")       // if not ok, the client has its answer
//	r = r.WithContext(access.Admit(ctx, user))  // distribution does not ask again
//
// Limits: whoever calls Admit vouches for the client; Check knows only the access that an
// upload takes, and CheckCatalog that of the list of repositories.
package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/distribution/distribution/v3/registry/auth"
	"github.com/sirupsen/logrus"
)

// name is the access controller's name in distribution's configuration.
const name = "ipfs-members"

// controllerOption is its option that carries the Controller.
const controllerOption = "controller"

func init() {
	if err := auth.Register(name, fromOptions); err != nil {
		panic(err) // another package of this binary has the name
	}
}

func fromOptions(options map[string]any) (auth.AccessController, error) {
	c, ok := options[controllerOption].(*Controller)
	if !ok {
		return nil, fmt.Errorf("%s cannot be configured: this registry sets it itself", name)
	}
	return c, nil
}

// Controller is the configured access controller, which also lets in requests that were
// admitted before.
type Controller struct{ configured auth.AccessController }

// Install puts a Controller in front of the configured access controller. It is nil when none
// is configured, so that every client may do everything. The error names the key.
func Install(config *configuration.Configuration) (*Controller, error) {
	kind := config.Auth.Type()
	if kind == "" || strings.EqualFold(kind, "none") {
		return nil, nil
	}
	configured, err := auth.GetAccessController(kind, config.Auth.Parameters())
	if err != nil {
		return nil, fmt.Errorf("auth.%s: %w", kind, err)
	}
	c := &Controller{configured}
	config.Auth = configuration.Auth{name: {controllerOption: c}}
	return c, nil
}

// Authorized implements auth.AccessController.
func (c *Controller) Authorized(r *http.Request, access ...auth.Access) (*auth.Grant, error) {
	if user, ok := r.Context().Value(admitted{}).(string); ok {
		return &auth.Grant{User: auth.UserInfo{Name: user}}, nil
	}
	return c.configured.Authorized(r, access...)
}

type admitted struct{}

// Admit returns the context of a request whose client, a user of that name or "", was
// admitted already.
func Admit(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, admitted{}, user)
}

// Check demands the access that distribution demands for an upload in a repository, and
// answers a client without it as distribution does. A nil Controller admits every client.
func (c *Controller) Check(w http.ResponseWriter, r *http.Request, repository string) (user string, ok bool) {
	if c == nil {
		return "", true
	}
	return c.admits(w, r, accessFor(r.Method, repository))
}

// CheckCatalog demands the access that distribution demands for the list of all repositories. It is
// like Check otherwise.
func (c *Controller) CheckCatalog(w http.ResponseWriter, r *http.Request) (ok bool) {
	if c == nil {
		return true
	}
	_, ok = c.admits(w, r, []auth.Access{{Resource: auth.Resource{Type: "registry", Name: "catalog"}, Action: "*"}})
	return ok
}

// admits reports whether a client has an access. One that has not is answered.
func (c *Controller) admits(w http.ResponseWriter, r *http.Request, wanted []auth.Access) (user string, ok bool) {
	grant, err := c.Authorized(r, wanted...)
	if err == nil && grant != nil {
		return grant.User.Name, true
	}
	challenge, asks := errors.AsType[auth.Challenge](err)
	if !asks {
		logrus.WithError(err).Error("cannot check the authorization of a request")
		w.WriteHeader(http.StatusBadRequest) // nothing that would tell a stranger the reason
		return "", false
	}
	challenge.SetHeaders(r, w)
	_ = errcode.ServeJSON(w, errcode.ErrorCodeUnauthorized.WithDetail(wanted)) // the client has gone
	return "", false
}

// accessFor is the access that distribution demands for a method
// (registry/handlers/app.go).
func accessFor(method, repository string) (list []auth.Access) {
	actions := []string{"pull", "push"}
	switch method {
	case http.MethodGet, http.MethodHead:
		actions = []string{"pull"}
	case http.MethodDelete:
		actions = []string{"delete"}
	}
	for _, action := range actions {
		list = append(list, auth.Access{Resource: auth.Resource{Type: "repository", Name: repository}, Action: action})
	}
	return list
}
