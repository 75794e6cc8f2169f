# shellcheck shell=bash
# To be sourced: the image, and a docker of its own, until docker_down. $work is a directory of its own.
go=${GO:-go}
arch=$("$go" env GOHOSTARCH)
export DOCKER_HOST=unix://$work/docker.sock

# make_image VERSION: into $work/dist/image, as `make image` does of a release.
make_image() {
	CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/dist/build/linux-$arch/registry" ./cmd/registry
	"$go" run ./deploy/image -version "$1" -commit test -date 2026-11-28T12:00:00Z -binaries "$work/dist/build" -out "$work/dist/image"
}

docker_up() {
	local most
	most=$(ulimit -Hn)
	dockerd --data-root "$work/docker" --exec-root "$work/exec" --host "$DOCKER_HOST" --pidfile "$work/docker.pid" \
		--storage-driver vfs --default-ulimit "nofile=$most:$most" >"$work/docker.log" 2>&1 &
	timeout 60 sh -c 'until docker version >/dev/null 2>&1; do sleep 0.2; done' || { tail "$work/docker.log" >&2; return 1; }
}

docker_down() { [ ! -e "$work/docker.pid" ] || { kill "$(cat "$work/docker.pid")" && wait; }; }
