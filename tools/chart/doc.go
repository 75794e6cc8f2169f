// Package chart tests deploy/helm by helm's own packages: what helm renders of it is decoded strictly
// into the types of Kubernetes' API, where a wrong field or type is an error. That needs no cluster and
// no network.
package chart
