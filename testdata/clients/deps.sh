#!/usr/bin/env bash
# Installs the clients that run.sh tests with, and what other tests run, from Debian's packages.
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
	echo "deps: needs root" >&2
	exit 1
fi
# The services that come with them do not start: tests start what they need.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
	trap 'rm "$policy"' EXIT
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
	skopeo podman containerd runc docker.io iproute2 curl strace nginx haproxy apache2-utils openssl prometheus jq rpm lintian xfsprogs btrfs-progs
# Unless they come from elsewhere.
command -v chromium google-chrome >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium
command -v npm >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm
# Not in Debian, and minutes to build. Where one is not there its test is skipped, and says so.
if [ -n "${WITHOUT_BUILT:-}" ]; then
	echo "WITHOUT oras and helm, unless they are installed" >&2
	exit
fi
for client in oras.land/oras/cmd/oras@v1.3.6 helm.sh/helm/v3/cmd/helm@v3.18.4; do
	GOBIN=/usr/local/bin go install "$client" || echo "WITHOUT $client" >&2
done
