#!/usr/bin/env bash
# Builds into a directory what the Kubernetes of a test needs, each only if it is not there yet: kube (etcd, API
# server, controllers, scheduler, proxy, kubelet, kubectl), helm, coredns. Needs Go, and the module proxy the
# first time; a quarter of an hour on two processors.
set -euo pipefail
into=$1 # an absolute path
cd "$(dirname "$0")"
go=${GO:-go}
export CGO_ENABLED=0 GOFLAGS=-trimpath
mkdir -p "$into"
stamp=k8s.io/component-base/version # without it, it is v0.0.0, and charts refuse that
stamps="-X $stamp.gitVersion=v1.34.4 -X $stamp.gitMajor=1 -X $stamp.gitMinor=34"
mark=$into/kube-$(cat build.sh kube/*.go kube/go.mod kube/go.sum | sha256sum | cut -c1-12)
[ -e "$mark" ] || { (cd kube && "$go" build -buildvcs=false -ldflags "-s -w $stamps" -o "$into/kube" .) && touch "$mark"; }
[ -e "$into/helm" ] || (cd ../../tools/chart && "$go" build -buildvcs=false -ldflags '-s -w' -o "$into/helm" helm.sh/helm/v3/cmd/helm)
[ -e "$into/coredns" ] || GOBIN=$into "$go" install -ldflags '-s -w' github.com/coredns/coredns@v1.15.0
