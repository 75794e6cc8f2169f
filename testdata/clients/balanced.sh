#!/usr/bin/env bash
# Pushes and pulls with each client through nginx, which speaks TLS and sends each
# request to another of three registries than the last. They want a password. Needs
# root and what deps.sh installs; oras and helm run where they are in PATH.
#
#   [UPLOADS=1000] balanced.sh bin/registry
set -euo pipefail
. "$(dirname "$0")/../registries.sh"
skipped=0
trap finish_clients EXIT

htpasswd -Bbn ann secret >"$work/htpasswd"
start_three "auth: {htpasswd: {realm: test, path: $work/htpasswd}}"

R=127.0.0.1:$(free_port)
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$work/tls.key" -out "$work/ca.crt" 2>/dev/null
cat >"$work/nginx.conf" <<NGINX
daemon off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
	upstream registries { server $http_a; server $http_b; server $http_c; }
	server {
		listen $R ssl;
		ssl_certificate $work/ca.crt;
		ssl_certificate_key $work/tls.key;
		client_max_body_size 0;
		location / {
			proxy_pass http://registries;
			proxy_http_version 1.1;
			proxy_request_buffering off;
			proxy_buffering off;
			proxy_set_header Host \$http_host;
			proxy_set_header X-Forwarded-Proto https;
			proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
		}
	}
}
NGINX
nginx -c "$work/nginx.conf" >"$work/nginx-out.log" 2>&1 &
pids+=($!)
until_ok 20 curl -sf --cacert "$work/ca.crt" -u ann:secret "https://$R/v2/"
echo "nginx at $R before $http_a, $http_b and $http_c"

# content NAME: an image of a file that is unique to this run, as a tar.
content() {
	mkdir -p "$work/rootfs-$1"
	head -c 3000000 /dev/urandom >"$work/rootfs-$1/unique"
	tar -C "$work/rootfs-$1" -c . >"$work/$1.tar"
}

export SSL_CERT_FILE=$work/ca.crt DOCKER_CONFIG=$work/docker-config
mkdir -p "$DOCKER_CONFIG"
printf '{"auths":{"%s":{"auth":"%s"}}}' "$R" "$(printf ann:secret | base64)" >"$DOCKER_CONFIG/config.json"
build_crane

crane_test() {
	local i
	for i in 1 2 3; do
		content "crane$i"
		"$crane" append --platform linux/amd64 -f "$work/crane$i.tar" -t "$R/crane:$i"
		"$crane" validate --remote "$R/crane:$i"
	done
}

docker_test() { with_docker docker docker_steps; }

docker_steps() {
	content docker
	"$@" import "$work/docker.tar" "$R/docker:1" && "$@" push "$R/docker:1" && "$@" rmi "$R/docker:1" && "$@" pull "$R/docker:1"
}

containerd_test() { with_containerd containerd containerd_steps; }

containerd_steps() {
	local to=(--user ann:secret --hosts-dir "$work/hosts")
	mkdir -p "$work/hosts/$R" # without it ctr speaks plain HTTP to a loopback address
	printf 'server = "https://%s"\n[host."https://%s"]\ncapabilities = ["pull", "resolve", "push"]\nca = "%s"\n' "$R" "$R" "$work/ca.crt" >"$work/hosts/$R/hosts.toml"
	content containerd
	"$crane" append --platform linux/amd64 -f "$work/containerd.tar" -t "$R/base:1" &&
		"$@" images pull "${to[@]}" --snapshotter native "$R/base:1" &&
		"$@" images tag "$R/base:1" "$R/containerd:1" &&
		"$@" images push "${to[@]}" "$R/containerd:1" &&
		"$@" images rm "$R/containerd:1" &&
		"$@" images pull "${to[@]}" --snapshotter native "$R/containerd:1"
}

skopeo_test() {
	content skopeo
	"$crane" append --platform linux/amd64 -f "$work/skopeo.tar" -o "$work/skopeo-image.tar" -t skopeo:1
	skopeo copy --insecure-policy --dest-creds ann:secret "docker-archive:$work/skopeo-image.tar" "docker://$R/skopeo:1"
	skopeo copy --insecure-policy --src-creds ann:secret "docker://$R/skopeo:1" "dir:$work/skopeo-dir"
}

podman_test() {
	local p=(podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs)
	content podman
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/policy.json"
	"${p[@]}" import "$work/podman.tar" "$R/podman:1"
	"${p[@]}" push --creds ann:secret "$R/podman:1"
	"${p[@]}" rmi "$R/podman:1"
	"${p[@]}" pull --creds ann:secret --signature-policy "$work/policy.json" "$R/podman:1"
}

oras_test() {
	head -c 3000000 /dev/urandom >"$work/artifact"
	(cd "$work" && oras push "$R/oras:1" artifact:application/octet-stream)
	mkdir "$work/oras" && (cd "$work/oras" && oras pull "$R/oras:1")
	cmp "$work/artifact" "$work/oras/artifact"
}

helm_test() {
	(cd "$work" && helm create chart && helm package chart)
	helm registry login "$R" -u ann -p secret
	helm push "$work/chart-0.1.0.tgz" "oci://$R/charts"
	mkdir "$work/helm" && helm pull "oci://$R/charts/chart" --version 0.1.0 -d "$work/helm"
	cmp "$work/chart-0.1.0.tgz" "$work/helm/chart-0.1.0.tgz"
}

# curl_upload N: one upload in three chunks.
curl_upload() {
	local file=$work/chunks-$1 location i c=(curl -sSf --cacert "$work/ca.crt" -u ann:secret -o /dev/null -D -)
	head -c 30000 /dev/urandom >"$file"
	location=$("${c[@]}" -X POST "https://$R/v2/chunks/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	for i in 0 1 2; do
		location=$(dd if="$file" bs=10000 skip=$i count=1 status=none |
			"${c[@]}" -X PATCH -H 'Content-Type: application/octet-stream' --data-binary @- "$location" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	done
	"${c[@]}" -X PUT "$location&digest=sha256:$(sha256sum "$file" | cut -d' ' -f1)" >/dev/null
	rm "$file"
}

curl_test() {
	export -f curl_upload
	export work R
	seq "${UPLOADS:-1000}" | xargs -P 8 -I{} bash -c 'set -euo pipefail; curl_upload {}'
}

certs=/etc/docker/certs.d/$R # where dockerd looks; it takes no other
mkdir -p "$certs" && cp "$work/ca.crt" "$certs/"
for client in crane docker containerd skopeo podman curl; do
	result "$client" apart "${client}_test" R
done
for client in oras helm; do
	if command -v "$client" >/dev/null; then
		result "$client" apart "${client}_test" R
	else
		skipped=$((skipped + 1))
		echo "skip $client: not in PATH"
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
