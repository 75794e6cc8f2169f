#!/usr/bin/env bash
# Makes the image, starts a docker of its own, and runs deploy/compose in it: what is pushed to one
# registry is pulled from another. Needs root, Debian's docker.io, docker-compose and skopeo.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in dockerd docker-compose skopeo; do
	command -v $tool >/dev/null || { echo "WITHOUT $tool: deploy/compose is not run" >&2; exit; }
done
work=$(mktemp -d)
export DOCKER_HOST=unix://$work/docker.sock COMPOSE=docker-compose IMAGE=distribution-ipfs:v0.0.1
NOFILE=$(ulimit -Hn)
export NOFILE
compose() { (cd "$work/compose" && docker-compose "$@"); }
healthy() { timeout 100 sh -c 'until [ "$(docker ps --quiet --filter health=healthy | wc -l)" = 3 ]; do sleep 0.5; done'; }
finish() {
	status=$?
	[ $status = 0 ] || compose logs --tail 20 || true
	compose down --volumes >/dev/null 2>&1 || true
	[ ! -e "$work/docker.pid" ] || { kill "$(cat "$work/docker.pid")" && wait; }
	rm -rf "$work"
	exit $status
}
trap finish EXIT

go=${GO:-go}
arch=$("$go" env GOHOSTARCH)
CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/build/linux-$arch/registry" ./cmd/registry
"$go" run ./deploy/image -version v0.0.1 -commit test -date 2026-11-28T12:00:00Z -binaries "$work/build" -out "$work/image"
dockerd --data-root "$work/docker" --exec-root "$work/exec" --host "$DOCKER_HOST" --pidfile "$work/docker.pid" \
	--storage-driver vfs --default-ulimit "nofile=$NOFILE:$NOFILE" >"$work/docker.log" 2>&1 &
timeout 60 sh -c 'until docker version >/dev/null 2>&1; do sleep 0.2; done' || { tail "$work/docker.log" >&2; exit 1; }
docker load --quiet --input "$work/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar"
cp -r deploy/compose "$work/compose"
rm -f "$work/compose/.env"

"$work/compose/prepare.sh"
compose up --detach
healthy
image=docker-archive:$work/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar
skopeo copy --quiet --dest-tls-verify=false "$image" docker://127.0.0.1:5000/team/app:1
skopeo copy --quiet --src-tls-verify=false docker://127.0.0.1:5001/team/app:1 "dir:$work/pulled"
echo "pushed to a, pulled from b"
