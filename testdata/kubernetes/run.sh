#!/usr/bin/env bash
# Installs deploy/helm in a Kubernetes of its own, as a StatefulSet and as a DaemonSet: push to one pod and pull
# from another, upgrade and scale 3 to 1 to 3 to 2 under load, a pod whose image comes from the registry of its
# node, the key over an upgrade, and what an uninstall leaves. Needs root, and Debian's containerd, runc,
# containernetworking-plugins, iptables and iproute2.
#
#	run.sh <directory of build.sh>
set -euo pipefail
built=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
for tool in containerd ctr runc iptables ip nsenter openssl jq skopeo /usr/lib/cni/bridge /usr/lib/cni/portmap; do
	command -v $tool >/dev/null || { echo "WITHOUT $tool: deploy/helm is not run in a Kubernetes" >&2; exit; }
done
[ "$(id -u)" = 0 ] || { echo "WITHOUT root: deploy/helm is not run in a Kubernetes" >&2; exit; }
go=${GO:-go} arch=$("${GO:-go}" env GOHOSTARCH)
testdata/kubernetes/build.sh "$built"
work=$(mktemp -d /tmp/kube-XXXXXX)
. testdata/kubernetes/cluster.sh

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
	[ -z "${KEEP:-}" ] || { echo "kept: nsenter --net=/run/netns/$ns, $work; until a line comes" >&2; read -r _ || true; }
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
cluster_up
load_image "$work/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar"
ctr images tag docker.io/library/distribution-ipfs:v0.0.1 docker.io/library/distribution-ipfs:v0.0.2 >/dev/null
say "a Kubernetes of one node is ready"

chart=deploy/helm
set_() { helm "$1" images $chart --set image.repository=docker.io/library/distribution-ipfs --set image.pullPolicy=Never --set ipfs.minfree=100MiB "${@:2}"; }
name=images-registry
pods() { kubectl get pods --selector app.kubernetes.io/instance=images "$@"; }
ready_pods() { pods --output json | jq -e "[.items[] | select(.metadata.deletionTimestamp == null) | select(any(.status.conditions[]?; .type == \"Ready\" and .status == \"True\"))] | length == $1" >/dev/null; }
only_pods() { [ "$(pods --output name | wc -l)" = "$1" ]; }
status_of() { kubectl exec "$1" --container registry -- registry ipfs status --json; }
key() { kubectl get secret $name-swarm --output jsonpath='{.data.swarm\.key}'; }
rolled_out() { kubectl rollout status "$1" --timeout=1s; }
load() { inside "$work/load" -at "$at" -state "$work/load.json" "$@"; }
load_begins() {
	nsenter --net="/run/netns/$ns" "$work/load" -at "$at" -state "$work/load.json" -under "$1" &
	load_pid=$!
}
load_ends() {
	local pid=$load_pid
	load_pid=
	kill "$pid"
	wait "$pid"
}

# A StatefulSet.
for i in 0 1 2; do
	install -d -m 0700 -o 65532 -g 65532 "$work/volume-$i" # the kubelet does not, for directories of the node
	kubectl apply -f - >/dev/null <<-END
		apiVersion: v1
		kind: PersistentVolume
		metadata: {name: volume-$i}
		spec:
		  capacity: {storage: 1Gi}
		  accessModes: [ReadWriteOnce]
		  hostPath: {path: $work/volume-$i}
	END
done
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
[ "$zone" = cellar ] || { echo "the zone of its node is cellar, and a pod says $zone" >&2; exit 1; }

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
await 240 "no pod is left" only_pods 0
[ "$(key)" = "$first" ]
[ "$(kubectl get pvc --output name | wc -l)" = 3 ]
say "uninstalled: the key and the volumes are still there"

# A DaemonSet.
kubectl label --overwrite namespace default pod-security.kubernetes.io/enforce=privileged >/dev/null
certs=$work/etc/containerd/certs.d
mkdir -p "$certs/quay.io" "$work/node"
echo 'server = "https://quay.io"' >"$certs/quay.io/hosts.toml"
state() { (cd "$work/etc" && find . -printf '%M %u %p\n' && find . -type f -exec sha256sum {} +) | sort; }
state >"$work/before"
set_ install --set mode=daemonset --set image.tag=v0.0.1 --set "daemonset.hostPath=$work/node" --set "mirror.upstreams={docker.io,quay.io}" \
	--set "mirror.hostDirs={$work/etc/containerd}" --set "mirror.directory=$certs" --timeout 2m >/dev/null
await 240 "a pod is on each node" rolled_out daemonset/$name
await 240 "containerd is told" test -e "$certs/docker.io/hosts.toml"
await 240 "it is ready" ready_pods 1
[ "$(key)" = "$first" ]
inside skopeo copy --all --quiet --dest-tls-verify=false "$image" docker://127.0.0.1:5000/library/hello:1
kubectl run hello --image docker.io/library/hello:1 --restart Never --image-pull-policy Always -- version >/dev/null
await 240 "a pod has run whose image containerd pulled from the registry of its node" kubectl wait pod/hello --for=jsonpath='{.status.phase}'=Succeeded --timeout=1s
say "a pod's image came from the registry of its node"
set_ upgrade --reuse-values --set image.tag=v0.0.2 --timeout 2m >/dev/null
await 240 "the pod is another" rolled_out daemonset/$name
await 60 "what it kept is there" pulls 127.0.0.1:5000/library/hello:1
kubectl delete pod hello >/dev/null
helm uninstall images >/dev/null
await 240 "no pod is left" only_pods 0
state >"$work/after"
diff "$work/before" "$work/after"
say "uninstalled: containerd's configuration is as it was"
