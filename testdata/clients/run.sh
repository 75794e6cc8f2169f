#!/usr/bin/env bash
# Pushes an image to registry A and pulls it from B and C, with each of docker,
# containerd, skopeo, podman and crane. Needs root and what deps.sh installs.
#
#   run.sh bin/registry
set -euo pipefail
. "$(dirname "$0")/../registries.sh"
trap finish_clients EXIT

start_three
A=$http_a B=$http_b C=$http_c
echo "three registries: A $A, B $B, C $C"

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

# of_mirror COMMAND…: runs it where /etc/containers is what `registry ipfs hosts --podman` wrote into.
of_mirror() {
	unshare --mount sh -c 'mount --bind "$1" /etc/containers && shift && exec "$@"' sh "$work/mirror/etc/containers" "$@"
}

# Images of a registry that is nowhere are pulled from A, as a drop-in says.
mirror_test() {
	local p=(podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs)
	content mirror
	"$crane" append --platform linux/amd64 -f "$work/mirror.tar" -t "$A/team/mirror:1" --insecure
	mkdir -p "$work/mirror/etc/containers"
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/mirror/etc/containers/policy.json"
	"$registry" ipfs hosts --podman --root "$work/mirror" --upstream registry.invalid --upstream "$C" "$work/a.yml"
	of_mirror skopeo copy docker://registry.invalid/team/mirror:1 "dir:$work/mirror-a"
	of_mirror "${p[@]}" pull registry.invalid/team/mirror:1
	! of_mirror skopeo inspect docker://registry.invalid/team/mirror:none || exit 1
	"$crane" pull --insecure "$C/team/mirror:1" "$work/mirror-c.tar" # so that C has it when A is gone
}

# While A does not run, C itself is asked for its images; and nothing of it is left in the end.
mirror_left() {
	of_mirror skopeo copy --src-tls-verify=false "docker://$C/team/mirror:1" "dir:$work/mirror-c"
	"$registry" ipfs hosts --podman --root "$work/mirror" --remove "$work/a.yml"
	[ -z "$(ls "$work/mirror/etc/containers/registries.conf.d")" ]
}

build_crane
for client in crane docker containerd skopeo podman; do
	result "$client" apart "${client}_test" A B C
done
result "mirror of podman and skopeo" apart mirror_test registry A C
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
	result "$client without A" apart "${client}_left" A B C
done
result "mirror without A" apart mirror_left registry C
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
