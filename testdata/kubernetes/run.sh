#!/usr/bin/env bash
# Types what README.md and docs/kubernetes.md say in a Kubernetes of its own, and installs deploy/helm there as a
# StatefulSet and as a DaemonSet: push to one pod and pull from another, upgrade and scale 3 to 1 to 3 to 2 under
# load, a pod whose image comes from the registry of its node, the key over an upgrade, and what an uninstall
# leaves. Needs root, and Debian's containerd, runc, containernetworking-plugins, docker.io, iptables and iproute2.
#
#	run.sh <directory of build.sh>
set -euo pipefail
built=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
for tool in containerd ctr runc dockerd docker git iptables ip nsenter openssl curl jq skopeo /usr/lib/cni/bridge /usr/lib/cni/portmap; do
	command -v $tool >/dev/null || { echo "WITHOUT $tool: deploy/helm is not run in a Kubernetes" >&2; exit; }
done
[ "$(id -u)" = 0 ] || { echo "WITHOUT root: deploy/helm is not run in a Kubernetes" >&2; exit; }
go=${GO:-go} arch=$("${GO:-go}" env GOHOSTARCH)
testdata/kubernetes/build.sh "$built"
work=$(mktemp -d /tmp/kube-XXXXXX)
. testdata/kubernetes/cluster.sh
. testdata/kubernetes/desk.sh

finish() {
	status=$?
	if [ $status != 0 ]; then
		kubectl get pods,pvc,events --all-namespaces >&2 || true
		for pod in $(kubectl get pods --output name 2>/dev/null); do
			echo "== $pod" >&2
			kubectl logs --tail 15 --all-containers --prefix "$pod" >&2 || true
		done
		tail -n 5 "$work"/log/* >&2 || true
	fi
	[ -z "${load_pid:-}" ] || kill "$load_pid" 2>/dev/null || true
	[ -z "${KEEP:-}" ] || { echo "kept: $work, nsenter --net --mount --target ${machines[one]:-}; until a line comes" >&2; read -r _ || true; }
	kubectl delete pods --all --grace-period=1 --timeout=20s >/dev/null 2>&1 || true
	cluster_down
	rm -rf "$work"
	exit $status
}
trap finish EXIT
began=$SECONDS
say() { echo "$((SECONDS - began)) s: $*"; }

CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/build/linux-$arch/registry" ./cmd/registry
"$go" run ./deploy/image -version v0.0.1 -commit test -date 2026-11-28T12:00:00Z -binaries "$work/build" -out "$work/image"
CGO_ENABLED=0 "$go" build -trimpath -o "$work/load" ./testdata/kubernetes/load
say "the image is made"
(cd tools/release && "$go" mod download) # on the desk there is no way to the module proxy
cluster_up
load_image "$work/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar" docker.io/library/distribution-ipfs:v0.0.2
image=$work/pause.tar
desk_up
say "a Kubernetes of two nodes is ready"

chart=deploy/helm
set_() { helm "$1" images $chart --set image.repository=docker.io/library/distribution-ipfs --set image.pullPolicy=Never --set ipfs.minfree=100MiB "${@:2}"; }
name=images-registry
pods() { kubectl get pods --selector app.kubernetes.io/instance=images "$@"; }
ready_pods() { pods --output json | jq -e "[.items[] | select(.metadata.deletionTimestamp == null) | select(any(.status.conditions[]?; .type == \"Ready\" and .status == \"True\"))] | length == $1" >/dev/null; }
only_pods() { [ "$(pods --output name | wc -l)" = "$1" ]; }
gone() { await 300 "no pod is left" no_pods "$@"; }
no_pods() { [ -z "$(kubectl get pods --selector "app.kubernetes.io/instance=${1:-images}" --output name)" ]; }
status_of() { kubectl exec "$1" --container registry -- registry ipfs status --json; }
key() { kubectl get secret $name-swarm --output jsonpath='{.data.swarm\.key}'; }
rolled_out() { kubectl rollout status "$1" --timeout=1s; }
load() { inside "$work/load" -at "$at" -state "$work/load.json" "$@"; }
load_begins() {
	nsenter --target "${machines[one]}" --net "$work/load" -at "$at" -state "$work/load.json" -under "$1" &
	load_pid=$!
}
load_ends() {
	local pid=$load_pid
	load_pid=
	kill "$pid"
	wait "$pid"
}

# has NODE IMAGE: containerd has it there.
has() { [ -n "$(ctr "$1" images list --quiet "name==$2")" ]; }
types README.md Kubernetes
for n in "${nodes[@]}"; do await 120 "node $n has pulled what was pushed" has "$n" localhost:5000/team/app:1; done
kubectl rollout status deployment/app --timeout=60s >/dev/null
kubectl delete deployment app >/dev/null
helm uninstall images >/dev/null
gone
kubectl delete secret $name-swarm >/dev/null

# A StatefulSet.
volumes() { # SIZE: three of it, empty
	local i
	for i in 0 1 2; do
		kubectl delete pv "volume-$i" --ignore-not-found >/dev/null
		rm -rf "$work/volume-$i"
		install -d -m 0700 -o 65532 -g 65532 "$work/volume-$i" # the kubelet does not, for directories of the node
		kubectl apply -f - >/dev/null <<-END
			apiVersion: v1
			kind: PersistentVolume
			metadata: {name: volume-$i}
			spec:
			  capacity: {storage: $1}
			  accessModes: [ReadWriteOnce]
			  hostPath: {path: $work/volume-$i}
		END
	done
}
volumes 1Gi
kubectl label --overwrite namespace default pod-security.kubernetes.io/enforce=restricted >/dev/null
set_ install --set persistence.size=1Gi --set image.tag=v0.0.1 --wait --timeout 9m >"$work/notes"
grep -q "docker push localhost:5000/" "$work/notes"
say "three pods of a StatefulSet are ready"
first=$(key)
at=$(kubectl get service $name --output jsonpath='{.spec.clusterIP}'):5000
address() { kubectl get pod "$1" --output jsonpath='{.status.podIP}'; }
image=oci:$work/image/oci
inside skopeo copy --all --quiet --dest-tls-verify=false "$image" "docker://$(address $name-0):5000/team/app:1"
pulls() { rm -rf "$work/pulled" && inside skopeo copy --all --quiet --src-tls-verify=false "docker://$1" "dir:$work/pulled"; }
await 60 "another pod has it" pulls "$(address $name-2):5000/team/app:1" # 503 asks to try again
say "pushed to one pod, pulled from another"
[ "$(status_of $name-0 | jq -r '.members | length')" = 2 ]
zone=$(status_of $name-0 | jq -r '.members[0].zone')
[ "$zone" = cellar ] || [ "$zone" = attic ] || { echo "the zones of nodes are cellar and attic, and a pod says $zone" >&2; exit 1; }
[ "$(pods --output jsonpath='{.items[*].spec.nodeName}' | tr ' ' '\n' | sort -u | wc -l)" = 2 ] || { echo "all three pods are on one node" >&2; exit 1; }

load_begins first
set_ upgrade --reuse-values --set image.tag=v0.0.2 --wait --timeout 9m >/dev/null
[ "$(key)" = "$first" ]
[ "$(kubectl get pod $name-0 --output jsonpath='{.spec.containers[0].image}')" = docker.io/library/distribution-ipfs:v0.0.2 ]
say "upgraded under load, with the same key"
set_ upgrade --reuse-values --set replicas=1 --wait --timeout 9m >/dev/null
await 300 "two pods have handed on what they kept, and left" only_pods 1
say "scaled to one under load"
forgotten() { status_of $name-0 | jq -e '.members == []'; }
await 240 "the last pod has forgotten those that left" forgotten
load_ends # for the last one is restarted: there is nobody else
kubectl delete pod $name-0 >/dev/null
await 240 "the last pod is ready again, though it is alone" ready_pods 1
say "the last pod was restarted, and is ready"
load -verify
cp "$work/load.json" "$work/load.1.json"
load_begins second
set_ upgrade --reuse-values --set replicas=3 --wait --timeout 9m >/dev/null
await 240 "three are ready" ready_pods 3
say "scaled to three under load"
kubectl scale statefulset $name --replicas=2 >/dev/null
await 300 "one pod has handed on what it kept, and left" only_pods 2
say "scaled to two under load"
load_ends
load -verify
cp "$work/load.1.json" "$work/load.json"
load -verify
helm uninstall images --wait >/dev/null
gone
[ "$(key)" = "$first" ]
[ "$(kubectl get pvc --output name | wc -l)" = 3 ]
say "uninstalled: the key and the volumes are still there"

# What docs/kubernetes.md says, with the image that the chart names.
published=ghcr.io/distribution-ipfs/distribution-ipfs:v0.1.0
nothing_left() { ! kubectl get "secret/$name-swarm" >/dev/null 2>&1 && [ -z "$(kubectl get pvc --output name)" ]; }
kubectl delete pvc --all >/dev/null
kubectl delete secret $name-swarm >/dev/null
load_image "$work/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar" $published
volumes 50Gi
types docs/kubernetes.md "Five minutes"
types docs/kubernetes.md Scaling
await 300 "two pods have handed on what they kept, and left" only_pods 1
types docs/kubernetes.md Uninstalling
gone
nothing_left
volumes 50Gi
types docs/kubernetes.md "The key"
await 240 "three are ready, with the key that was given" ready_pods 3
if kubectl get secret $name-swarm >/dev/null 2>&1; then echo "a key was made though one was given" >&2; exit 1; fi
helm uninstall images >/dev/null
gone

# A DaemonSet.
kubectl label --overwrite namespace default pod-security.kubernetes.io/enforce=privileged >/dev/null
for n in "${nodes[@]}"; do
	mkdir -p "$work/$n/etc/containerd/certs.d/quay.io"
	echo 'server = "https://quay.io"' >"$work/$n/etc/containerd/certs.d/quay.io/hosts.toml"
done
state() { (cd "$work" && find "${nodes[@]/%//etc}" -printf '%M %u %p\n' && find "${nodes[@]/%//etc}" -type f -exec sha256sum {} +) | sort; }
told() { for n in "${nodes[@]}"; do [ -e "$work/$n/etc/containerd/certs.d/$1/hosts.toml" ] || return 1; done; }
state >"$work/before"
types docs/kubernetes.md "On every node"
await 240 "a pod is on each node" rolled_out daemonset/nodes-registry
await 240 "containerd is told" told docker.io
image=oci:$work/image/oci
inside skopeo copy --all --quiet --dest-tls-verify=false "$image" docker://127.0.0.1:5000/library/hello:1
# hello N NODE: a pod whose image has to be pulled.
hello() {
	kubectl run "hello-$1" --image docker.io/library/hello:1 --restart Never --image-pull-policy Always \
		--overrides "{\"apiVersion\": \"v1\", \"spec\": {\"nodeName\": \"$2\"}}" -- version >/dev/null
	await 240 "a pod of node $2 has run whose image containerd pulled from the registry of its node" \
		kubectl wait "pod/hello-$1" --for=jsonpath='{.status.phase}'=Succeeded --timeout=1s
}
hello 1 one
hello 2 two
say "pushed to one node; pods of both had their image from the registry of their node"
helm upgrade nodes $chart --reuse-values --set image.repository=docker.io/library/distribution-ipfs --set image.tag=v0.0.2 \
	--set "mirror.upstreams={docker.io,quay.io}" --timeout 2m >/dev/null
await 240 "the pods are others" rolled_out daemonset/nodes-registry
await 60 "what it kept is there" pulls 127.0.0.1:5000/library/hello:1
kubectl delete pod hello-1 hello-2 >/dev/null
helm uninstall nodes >/dev/null
gone nodes
state >"$work/after"
diff "$work/before" "$work/after"
say "uninstalled: containerd's configuration is as it was, on both nodes"
