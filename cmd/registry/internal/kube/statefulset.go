// Package kube asks the API of the Kubernetes that a registry runs in. It knows the one question that a
// pod has before it ends, for which a client library would be a third of the binary.
package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	askTime    = 10 * time.Second
	mostAnswer = 4 << 20 // bytes: etcd takes no object of more than 1.5 MiB
)

// ErrGone reports that there is no such StatefulSet, or that it is being deleted; or the service account is:
// who uninstalls a chart deletes both, and the account may be gone when the pod asks.
var ErrGone = errors.New("it is not there, or being deleted")

// accountDir is where a pod finds its service account.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// Client asks one API server as one service account. It is safe for concurrent use.
type Client struct {
	server    string // its URL
	dir       string // of the service account
	namespace string
	client    *http.Client
}

// InCluster returns a client for the API server that a pod is told of. Root is where the pod's root
// directory is: "/", but in tests.
func InCluster(root string) (*Client, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod of Kubernetes")
	}
	dir := filepath.Join(root, accountDir)
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("service account: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("service account: no certificate in ca.crt")
	}
	namespace, err := os.ReadFile(filepath.Join(dir, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("service account: %w", err)
	}
	return &Client{
		server: "https://" + net.JoinHostPort(host, port), dir: dir, namespace: strings.TrimSpace(string(namespace)),
		client: &http.Client{Timeout: askTime, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		}},
	}, nil
}

// statefulSet is what is read of one
// (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1/).
type statefulSet struct {
	Metadata struct {
		DeletionTimestamp *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"` // nil: 1
		Ordinals *struct {
			Start int `json:"start"`
		} `json:"ordinals"`
	} `json:"spec"`
}

// Leaves reports whether a StatefulSet of this pod's namespace was scaled down so far that it will not
// start this pod again. All pods of one that has none left are to be started again one day. The error
// is ErrGone when it is deleted.
func (c *Client) Leaves(ctx context.Context, set, pod string) (bool, error) {
	number, ok := strings.CutPrefix(pod, set+"-")
	ordinal, err := strconv.Atoi(number)
	if !ok || err != nil || ordinal < 0 {
		return false, fmt.Errorf("pod %q is none of StatefulSet %q", pod, set)
	}
	is, err := c.statefulSet(ctx, set)
	if err != nil {
		return false, fmt.Errorf("StatefulSet %s/%s: %w", c.namespace, set, err)
	}
	replicas := 1
	if is.Spec.Replicas != nil {
		replicas = *is.Spec.Replicas
	}
	if is.Spec.Ordinals != nil {
		ordinal -= is.Spec.Ordinals.Start
	}
	return replicas > 0 && ordinal >= replicas, nil
}

func (c *Client) statefulSet(ctx context.Context, name string) (is statefulSet, err error) {
	token, err := os.ReadFile(filepath.Join(c.dir, "token")) // anew: it is replaced from time to time
	if err != nil {
		return is, err
	}
	at := c.server + "/apis/apps/v1/namespaces/" + url.PathEscape(c.namespace) + "/statefulsets/" + url.PathEscape(name)
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return is, err
	}
	question.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	question.Header.Set("Accept", "application/json")
	answer, err := c.client.Do(question)
	if err != nil {
		return is, err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusUnauthorized:
		return is, ErrGone
	default:
		return is, fmt.Errorf("the API server answers %s", answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostAnswer)).Decode(&is); err != nil {
		return is, fmt.Errorf("the answer of the API server: %w", err)
	}
	if is.Metadata.DeletionTimestamp != nil {
		return is, ErrGone
	}
	return is, nil
}
