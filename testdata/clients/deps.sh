#!/usr/bin/env bash
# Installs the clients that run.sh tests with, from Debian's packages.
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
	echo "deps: needs root" >&2
	exit 1
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
	skopeo podman containerd runc docker.io iproute2 curl strace
