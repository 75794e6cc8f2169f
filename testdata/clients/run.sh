#!/usr/bin/env bash
# Pushes an image to registry A and pulls it from B and C, with each of docker,
# containerd, skopeo, podman and crane. Needs root and what deps.sh installs.
#
#   run.sh bin/registry
set -euo pipefail
registry=$(realpath "${1:?usage: run.sh <registry binary>}")
work=$(mktemp -d)
pids=()
passed=0 failed=0

finish() {
	local rc=$?
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	if [ "$rc" != 0 ]; then tail -n 15 "$work"/*.log || true; fi
	podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs system reset -f >/dev/null 2>&1 || true
	grep " $work" /proc/mounts | cut -d' ' -f2 | sort -r | xargs -r umount -l || true
	rm -rf "$work"
	exit "$rc"
}
trap finish EXIT

# until_ok SECONDS COMMAND…: waits until the command succeeds.
until_ok() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			echo "never succeeded: $*" >&2
			return 1
		fi
		sleep 0.2
	done
}

free_port() {
	local port
	for port in $(shuf -i 20000-29999 -n 200); do
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	return 1
}

# configure NAME BOOTSTRAPPER: writes a configuration and sets http_NAME.
configure() {
	local http swarm
	http=127.0.0.1:$(free_port)
	swarm=$(free_port)
	cat >"$work/$1.yml" <<-EOF
		version: 0.1
		storage:
		  ipfs:
		    datastorepath: $work/$1
		    protectorkey: "$key"
		    listenaddrs: /ip4/127.0.0.1/tcp/$swarm
		    dataaddrs: /ip4/127.0.0.1/tcp/0
		    bootstrappers: $2
		http:
		  addr: $http
		  draintimeout: 5s
	EOF
	declare -g "http_$1=$http"
}

serve() {
	"$registry" serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
	pids+=($!)
}

connected() { [ "$("$registry" ipfs status --json "$work/$1.yml" | grep -c '"connected": true')" = 2 ]; }

key=$("$registry" ipfs keygen)
configure a ""
first=$("$registry" ipfs id "$work/a.yml" | sed -n 2p)
configure b "$first"
configure c "$first"
for name in c b a; do serve "$name"; done
for name in a b c; do until_ok 60 connected "$name"; done
A=$http_a B=$http_b C=$http_c
echo "three registries: A $A, B $B, C $C"

# result NAME COMMAND…: runs one client's test.
result() {
	local name=$1
	shift
	if "$@" >"$work/client-$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok   $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name"
		tail -n 15 "$work/client-$name.log"
	fi
}

# An image of real files, unique to this run, so that nothing is skipped.
content() {
	mkdir -p "$work/rootfs-$1/usr"
	cp -r /usr/share/perl* "$work/rootfs-$1/usr/" 2>/dev/null || cp -r /usr/lib/os-release "$work/rootfs-$1/usr/"
	head -c 3000000 /dev/urandom >"$work/rootfs-$1/unique"
	tar -C "$work/rootfs-$1" -c . >"$work/$1.tar"
}

crane_test() {
	content crane
	"$crane" append --platform linux/amd64 -f "$work/crane.tar" -t "$A/crane:1" --insecure
	"$crane" validate --remote "$B/crane:1" --insecure
	"$crane" validate --remote "$C/crane:1" --insecure
	[ "$("$crane" digest "$A/crane:1" --insecure)" = "$("$crane" digest "$C/crane:1" --insecure)" ]
}

# with_docker NAME STEPS: runs the steps with an engine that has nothing yet.
with_docker() {
	local d=(docker -H "unix://$work/$1.sock")
	dockerd --storage-driver=vfs --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none \
		--data-root "$work/$1" --exec-root "$work/$1-exec" -H "unix://$work/$1.sock" -p "$work/$1.pid" >"$work/$1d.log" 2>&1 &
	local pid=$! rc=0
	until_ok 60 "${d[@]}" version && "$2" "${d[@]}" || rc=1
	kill "$pid" && wait "$pid" || true
	return "$rc"
}

docker_test() { with_docker docker docker_steps; }

docker_left() { with_docker docker-left docker_left_steps; }

docker_left_steps() {
	"$@" pull "$B/docker:1" && "$@" rmi "$B/docker:1" && "$@" pull "$C/docker:1"
}

docker_steps() {
	content docker
	local id
	id=$("$@" import "$work/docker.tar" "$A/docker:1") &&
		"$@" push "$A/docker:1" &&
		"$@" rmi "$A/docker:1" &&
		"$@" pull "$B/docker:1" &&
		"$@" rmi "$B/docker:1" &&
		"$@" pull "$C/docker:1" &&
		[ "$("$@" image inspect -f '{{.Id}}' "$C/docker:1")" = "$id" ]
}

# with_containerd NAME STEPS: likewise.
with_containerd() {
	local dir=$work/$1
	mkdir -p "$dir"
	cat >"$dir.toml" <<-EOF
		version = 2
		root = "$dir/root"
		state = "$dir/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "$dir/sock"
	EOF
	containerd --config "$dir.toml" >"$dir.log" 2>&1 &
	local pid=$! rc=0
	until_ok 60 ctr -a "$dir/sock" version && "$2" ctr -a "$dir/sock" || rc=1
	kill "$pid" && wait "$pid" || true
	return "$rc"
}

containerd_test() { with_containerd containerd containerd_steps; }

containerd_left() { with_containerd containerd-left containerd_left_steps; }

containerd_left_steps() {
	"$@" images pull --plain-http --snapshotter native "$B/containerd:1" &&
		"$@" images pull --plain-http --snapshotter native "$C/containerd:1"
}

containerd_steps() {
	content containerd
	"$crane" append --platform linux/amd64 -f "$work/containerd.tar" -t "$A/containerd:0" --insecure &&
		"$@" images pull --plain-http --snapshotter native "$B/containerd:0" &&
		"$@" images tag "$B/containerd:0" "$A/containerd:1" &&
		"$@" images push --plain-http "$A/containerd:1" &&
		"$@" images pull --plain-http --snapshotter native "$C/containerd:1"
}

skopeo_test() {
	content skopeo
	"$crane" append --platform linux/amd64 -f "$work/skopeo.tar" -o "$work/skopeo-image.tar" -t skopeo:1
	skopeo copy --insecure-policy --dest-tls-verify=false "docker-archive:$work/skopeo-image.tar" "docker://$A/skopeo:1"
	skopeo copy --insecure-policy --src-tls-verify=false "docker://$B/skopeo:1" "dir:$work/skopeo-b"
	skopeo copy --insecure-policy --src-tls-verify=false "docker://$C/skopeo:1" "dir:$work/skopeo-c"
	diff -r "$work/skopeo-b" "$work/skopeo-c"
}

podman_test() {
	local p=(podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs)
	content podman
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/policy.json"
	"${p[@]}" import "$work/podman.tar" "$A/podman:1"
	"${p[@]}" push --tls-verify=false "$A/podman:1"
	"${p[@]}" rmi "$A/podman:1"
	"${p[@]}" pull --tls-verify=false --signature-policy "$work/policy.json" "$B/podman:1"
	"${p[@]}" rmi "$B/podman:1"
	"${p[@]}" pull --tls-verify=false --signature-policy "$work/policy.json" "$C/podman:1"
}

crane=$work/crane
(cd "$(dirname "$0")" && go build -o "$crane" github.com/google/go-containerregistry/cmd/crane)
# apart FUNCTION: runs one in a shell of its own, where a failed command ends it.
apart() { bash -c "set -euo pipefail; $(declare -p work A B C crane); $(declare -f); $1"; }

for client in crane docker containerd skopeo podman; do
	result "$client" apart "${client}_test"
done
digests=$(for name in a b c; do "$registry" ipfs status "$work/$name.yml" | grep '^ *digest'; done | sort -u | wc -l)
if [ "$digests" = 1 ]; then
	passed=$((passed + 1))
	echo "ok   the three maps agree"
else
	failed=$((failed + 1))
	echo "FAIL the three maps differ"
fi

# What B and C fetched they serve without A, which is not asked to stop.
kill -9 "${pids[2]}" # A, the last that was started
for client in docker containerd; do
	result "$client without A" apart "${client}_left"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
