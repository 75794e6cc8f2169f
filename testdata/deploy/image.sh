#!/usr/bin/env bash
# Makes the image, and types what docs/install.md says of it, in a docker of its own and in podman: it becomes
# ready, takes an image, and has it after a restart; it is not root, has no shell and a read-only root directory,
# and ends politely. Needs root, and Debian's docker.io, podman, runc, skopeo and jq.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in dockerd docker podman runc skopeo jq; do
	command -v $tool >/dev/null || { echo "WITHOUT $tool: the image is not run" >&2; exit; }
done
work=$(mktemp -d)
. testdata/deploy/docker.sh
finish() {
	status=$?
	[ $status = 0 ] || { in_ docker logs --tail 20 registry || in_ podman logs --tail 20 registry || true; cat "$work/typed"; } >&2
	in_ docker rm --force --volumes registry >/dev/null 2>&1 || true
	in_ podman rm --force --volumes registry >/dev/null 2>&1 || true
	docker_down
	rm -rf "$work"
	exit $status
}
trap finish EXIT

# The limits that the page and podman set may be more than this machine lets root set, which is no part of what is
# asked here: a runc that leaves them as they are.
cat >"$work/runc" <<'END'
#!/bin/bash
before=
for argument; do
	case $before in
	--bundle) file=$argument/config.json limits=.process.rlimits ;;
	--process) file=$argument limits=.rlimits ;;
	*) file= ;;
	esac
	[ -z "$file" ] || { jq "del($limits)" "$file" >"$file.without" && cat "$file.without" >"$file"; }
	before=$argument
done
exec runc "$@"
END
mkdir "$work/bin"
cat >"$work/bin/podman" <<END
#!/bin/sh
exec $(command -v podman) --root $work/podman --runroot $work/podman-run --runtime $work/runc "\$@"
END
chmod +x "$work/runc" "$work/bin/podman"
binary=/usr/local/bin/registry
in_() { # docker|podman ARGUMENT…
	case $1 in
	docker) docker "${@:2}" ;;
	podman) "$work/bin/podman" "${@:2}" ;;
	esac
}
# types ENGINE: the first block under "Image", in docker as it stands there. What asks the registry waits until it is ready.
types() {
	awk '/^## / { at = $0 == "## Image" } at && /^```console$/ { block++; on = 1; next } /^```/ { on = 0 }
		on && at && block == 1 { sub(/^[#$] /, ""); print }' docs/install.md |
		sed "s|linux-amd64|linux-$arch|; s|^docker exec|until docker exec registry $binary healthcheck; do sleep 0.2; done\n&|
			s/docker \(load\|run\|exec\) /$1 \1 /g; s/nofile=65536/nofile=$(ulimit -Hn)/" >"$work/commands"
	[ -s "$work/commands" ] || { echo "docs/install.md has no commands for the image" >&2; return 1; }
	(cd "$work" && PATH="$work/bin:$PATH" timeout 200 bash -euxo pipefail "$work/commands") >"$work/typed" 2>&1
}
ready() { timeout 100 bash -c "$(declare -f in_); work=$work; until in_ $1 exec registry $binary healthcheck; do sleep 0.2; done" >/dev/null 2>&1; }

make_image v0.1.0
docker_up
for engine in docker podman; do
	types $engine
	ready $engine
	skopeo copy --quiet --dest-tls-verify=false "docker-archive:$work/dist/image/distribution-ipfs-v0.1.0-linux-$arch.docker.tar" docker://127.0.0.1:5000/team/app:1
	in_ $engine restart registry >/dev/null
	ready $engine
	skopeo copy --quiet --src-tls-verify=false docker://127.0.0.1:5000/team/app:1 "dir:$work/pulled-$engine"
	[ "$(in_ $engine inspect --format '{{.Config.User}}' registry)" = 65532:65532 ]
	[ "$(in_ $engine inspect --format '{{.HostConfig.ReadonlyRootfs}}' registry)" = true ]
	! in_ $engine exec registry sh -c true >/dev/null 2>&1 || { echo "$engine: there is a shell" >&2; exit 1; }
	in_ $engine stop --time 30 registry >/dev/null
	[ "$(in_ $engine inspect --format '{{.State.ExitCode}}' registry)" = 0 ]
	in_ $engine rm --volumes registry >/dev/null
	echo "ok   the image in $engine"
done
