#!/usr/bin/env bash
# Pulls with containerd, skopeo and podman while the mirror that `registry ipfs hosts` has named is down, in
# three ways: its port refuses; its machine does not answer; it takes the connection and never says a
# word. What it cost stands at the end: docs/operations.md has the figures. Needs root and iproute2.
#
#   down.sh bin/registry
set -euo pipefail
if [ -z "${APART:-}" ]; then # a network of its own, in which 192.0.2.9 is a machine that is switched off
	APART=1 exec unshare --net --mount "$0" "$@"
fi
. "$(dirname "$0")/../registries.sh"
trap finish_clients EXIT
ip link set lo up
ip link add hole type veth peer name end
ip link set hole up && ip link set end up
ip addr add 192.0.2.1/24 dev hole
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev hole nud permanent

key=$("$registry" ipfs keygen)
configure a ""
serve a
until_ok 60 curl -fsS "http://$http_a/v2/"
mkdir -p "$work/layer" "$work/etc/containers"
mount --bind "$work/etc/containers" /etc/containers
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
head -c 1000000 /dev/urandom >"$work/layer/x"
tar -C "$work/layer" -c . >"$work/layer.tar"
podman=(podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs)
"${podman[@]}" import "$work/layer.tar" "$http_a/x:1" >/dev/null 2>&1
"${podman[@]}" push --quiet --tls-verify=false "$http_a/x:1"

refuses=127.0.0.1:$(free_port)
gone=192.0.2.9:5000
silent=127.0.0.1:$(free_port)
perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Listen => 128, LocalAddr => $ARGV[0]) and sleep' "$silent" &
pids+=($!)
until_ok 60 listens "$silent"

skopeo_pull() { rm -rf "$work/to" && skopeo copy --src-tls-verify=false "docker://$http_a/x:1" "dir:$work/to"; }
podman_pull() { "${podman[@]}" rmi --force "$http_a/x:1" && "${podman[@]}" pull --tls-verify=false "$http_a/x:1"; }
containerd_pull() { with_containerd "containerd-$RANDOM" containerd_steps; }
containerd_steps() { "$@" content fetch --plain-http --hosts-dir "$work/certs" "$http_a/x:1"; }

# pulled CLIENT HOW MIRROR: pulls with a mirror that is down, and notes what it cost.
pulled() {
	local begin=${EPOCHREALTIME/./} flags=(--dir "$work/certs") said=ok
	[ "$1" = containerd ] || flags=(--podman)
	"$registry" ipfs hosts "$work/a.yml" "${flags[@]}" --upstream "$http_a" --mirror "http://$3" >/dev/null
	if ! most=${MOST:-150} bounded "$1_pull" >"$work/client.log" 2>&1; then
		said="never ends"
		[ "$2" = silent ] || { failed=$((failed + 1)) said=FAIL && cat "$work/client.log"; }
	fi
	"$registry" ipfs hosts "$work/a.yml" "${flags[@]}" --remove >/dev/null
	printf '%-11s %-8s %-10s %5d ms\n' "$1" "$2" "$said" $(((${EPOCHREALTIME/./} - begin) / 1000)) | tee -a "$work/figures"
}

# bounded FUNCTION: runs it, and ends it after $most seconds.
bounded() {
	set -m
	"$1" &
	local pid=$! rc=0
	set +m
	(sleep "$most" && kill -TERM "-$pid") 2>/dev/null &
	local guard=$!
	wait "$pid" || rc=$?
	kill "$guard" 2>/dev/null || true
	return "$rc"
}

containerd --version
podman --version
for client in ${CLIENTS:-containerd skopeo podman}; do
	pulled "$client" refuses "$refuses"
	pulled "$client" gone "$gone"
	pulled "$client" silent "$silent"
done
[ "$failed" = 0 ]
