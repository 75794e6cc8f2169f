#!/usr/bin/env bash
# Makes the image, starts a docker of its own, and runs deploy/compose in it, as it is, with TLS and
# passwords, and behind nginx: what is pushed to one registry is pulled from another. In between it types what
# docs/install.md says of another protector key. Needs root, and Debian's docker.io, docker-compose, skopeo,
# nginx, apache2-utils, openssl and jq.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in dockerd docker-compose skopeo nginx htpasswd openssl jq; do
	command -v $tool >/dev/null || { echo "WITHOUT $tool: deploy/compose is not run" >&2; exit; }
done
work=$(mktemp -d)
. testdata/deploy/docker.sh
export IMAGE=distribution-ipfs:v0.0.1 NGINX=nginx:here
NOFILE=$(ulimit -Hn)
export NOFILE
compose() { (cd "$work/compose" && docker-compose "$@"); }
healthy() { timeout 100 sh -c 'until [ "$(docker ps --quiet --filter health=healthy | wc -l)" = 3 ]; do sleep 0.5; done'; }
finish() {
	status=$?
	[ $status = 0 ] || compose logs --tail 20 || true
	compose down --volumes >/dev/null 2>&1 || true
	docker_down
	rm -rf "$work"
	exit $status
}
trap finish EXIT

make_image v0.0.1
docker_up
docker load --quiet --input "$work/dist/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar"
cp -r deploy/compose "$work/compose"
rm -rf "$work/compose/secrets" "$work/compose/.env"

compose up --detach
healthy
image=docker-archive:$work/dist/image/distribution-ipfs-v0.0.1-linux-$arch.docker.tar
skopeo copy --quiet --dest-tls-verify=false "$image" docker://127.0.0.1:5000/team/app:1
skopeo copy --quiet --src-tls-verify=false docker://127.0.0.1:5001/team/app:1 "dir:$work/pulled"
echo "ok   pushed to a, pulled from b"

# round N STAGE KEYS: types the n-th block of "Another protector key", until all three say that they have these keys.
round() {
	awk -v n="$1" '/^\*\*Another protector key\*\*/ { at = 1 } /^## / { at = 0 } at && /^```console$/ { block++; on = 1; next }
		/^```/ { on = 0 } on && block == n { sub(/^[#$] /, ""); print }' docs/install.md >"$work/round-$1"
	[ -s "$work/round-$1" ] || { echo "docs/install.md has no commands for round $1" >&2; return 1; }
	(cd "$work/compose" && bash -euo pipefail "$work/round-$1") >"$work/round-$1.log" 2>&1 || { cat "$work/round-$1.log" >&2; return 1; }
	healthy
	timeout 60 sh -c 'until docker exec "$1" /usr/local/bin/registry ipfs rotate-key --json | jq --exit-status "$2" >/dev/null; do sleep 0.5; done' \
		sh "$(compose ps --quiet a)" ".stage == \"$2\" and [.registries[].keys] == [\"$3\", \"$3\", \"$3\"]"
	skopeo copy --quiet --dest-tls-verify=false "$image" "docker://127.0.0.1:5000/team/app:round$1"
	skopeo copy --quiet --src-tls-verify=false "docker://127.0.0.1:5001/team/app:round$1" "dir:$work/pulled-round$1"
	echo "ok   another protector key: round $1"
}
docker() { if [ "$1" = compose ]; then docker-compose "${@:2}"; else command docker "$@"; fi; } # this docker has no plugins
export -f docker
key() { compose exec -T c /usr/local/bin/registry ipfs status --json | jq --raw-output '.protector_keys[0]'; }
was=$(key)
round 1 "second round" both
round 2 none one
[ "$(key)" != "$was" ]
compose down

secrets=$work/compose/secrets
mkdir "$secrets" "$work/ca"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
	-keyout "$secrets/tls.key" -out "$secrets/tls.crt" 2>/dev/null
htpasswd -Bbn ann secret >"$secrets/htpasswd"
chown 65532 "$secrets"/*
cp "$secrets/tls.crt" "$work/ca/ca.crt"

# through FILE PORT…: runs the three with one more file of deploy/compose, pushes to the first port, and pulls from each.
through() {
	local at
	export COMPOSE_FILE=compose.yml:$1
	compose up --detach
	healthy
	until_answered "https://localhost:$2/v2/"
	skopeo copy --quiet --dest-cert-dir "$work/ca" --dest-creds ann:secret "$image" "docker://localhost:$2/team/app:$1"
	for at in "${@:2}"; do
		skopeo copy --quiet --src-cert-dir "$work/ca" --src-creds ann:secret "docker://localhost:$at/team/app:$1" "dir:$work/pulled-$1-$at"
		[ "$(curl -s --cacert "$work/ca/ca.crt" -o /dev/null -w '%{http_code}' "https://localhost:$at/v2/")" = 401 ]
	done
	compose down
	echo "ok   $1"
}
# The password is wanted before anything else is said.
until_answered() { timeout 60 sh -c 'until curl -s --cacert "$1" -o /dev/null "$2"; do sleep 0.2; done' sh "$work/ca/ca.crt" "$1"; }

# An image of this machine's nginx: none is fetched.
mkdir -p "$work/nginx/etc/nginx" "$work/nginx/var/log/nginx" "$work/nginx/var/lib/nginx" "$work/nginx/run" "$work/nginx/tmp"
{ command -v nginx; ldd "$(command -v nginx)" | grep -o '/[^ ]*'; } | sort -u | xargs -I{} cp --parents -L {} "$work/nginx"
cp -L --parents /lib/*/libnss_files.so.2 "$work/nginx" 2>/dev/null || true
printf 'root:x:0:0::/:\nnobody:x:65534:65534::/:\nwww-data:x:33:33::/:\n' >"$work/nginx/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\nnobody:x:65533:\nwww-data:x:33:\n' >"$work/nginx/etc/group"
tar -C "$work/nginx" -c . | docker import --change "ENTRYPOINT [\"$(command -v nginx)\", \"-g\", \"daemon off;\"]" - "$NGINX"

through tls.yml 5000 5001 5002
through nginx.yml 5443
