#!/usr/bin/env bash
# Types the commands of README.md's "Two machines", as they stand there and no others, on two bare Debians that
# systemd has booted, in a network that nobody else is in: what is pushed on the first is pulled on the second.
# Needs what packages.sh needs, which calls it.
#
#   machines.sh <a bare Debian> <directory with the packages of v0.1.0>
set -euo pipefail
rootfs=$(realpath "$1") dist=$(realpath "$2")
cd "$(dirname "$0")/../.."
. testdata/deploy/nspawn.sh
work=$(mktemp -d) network=machines-$$
finish() {
	status=$?
	[ $status = 0 ] || tail -n 30 "$work"/*.log >&2 || true
	halt_all
	ip netns del $network 2>/dev/null || true
	rm -rf --one-file-system "$work"
	exit $status
}
trap finish EXIT
say() { echo "ok   $*"; }

# What somebody has who has two machines: the package, and root can copy from one to the other. From there no way
# leads out: what apt wants of a mirror has been fetched before.
cp -a "$rootfs" "$work/debian"
in_root() { chroot "$work/debian" env DEBIAN_FRONTEND=noninteractive "$@"; }
echo 'APT::Get::Assume-Yes "true";' >"$work/debian/etc/apt/apt.conf.d/yes"
echo force-unsafe-io >"$work/debian/etc/dpkg/dpkg.cfg.d/unsafe" # its files need not outlive a crash
{
	in_root apt-get update --quiet
	printf '#!/bin/sh\nexit 101\n' >"$work/debian/usr/sbin/policy-rc.d" # a chroot starts no service
	chmod 0755 "$work/debian/usr/sbin/policy-rc.d"
	in_root apt-get install --quiet --no-install-recommends openssh-server openssh-client
	rm "$work/debian/usr/sbin/policy-rc.d"
	in_root apt-get install --quiet --download-only podman
	in_root ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
} >"$work/prepare.log" 2>&1
cp "$work/debian/root/.ssh/id_ed25519.pub" "$work/debian/root/.ssh/authorized_keys"
echo "StrictHostKeyChecking accept-new" >"$work/debian/root/.ssh/config"
cp "$dist"/*.deb "$work/debian/root/"
rm -f "$work/debian/etc/machine-id"
cp -a "$work/debian" "$work/second" && mv "$work/debian" "$work/first"

ip netns add $network
ip -n $network link add name net0 type bridge
ip -n $network link set net0 up
# starts NAME ADDRESS
starts() {
	boot "$1" "$work/$1"
	ip -n $network link add "$1" type veth peer name eth0 netns "${init[$1]}"
	ip -n $network link set "$1" master net0 up
	nsenter --target "${init[$1]}" --net ip addr add "$2/24" dev eth0
	nsenter --target "${init[$1]}" --net ip link set eth0 up
}
starts first 192.0.2.10
starts second 192.0.2.11
say "two bare Debians run: $(in_machine first cat /etc/debian_version)"

# on_page N: what is typed in the n-th block of "Two machines".
on_page() {
	awk -v n="$1" '/^## / { at = $0 == "## Two machines" } at && /^```console$/ { block++; on = 1; next } /^```/ { on = 0 }
		on && at && block == n { sub(/^# /, ""); print }' README.md
}
# types NAME N: the n-th block, each line a command that has to succeed.
types() {
	on_page "$2" >"$work/$1/root/commands"
	[ -s "$work/$1/root/commands" ] || { echo "README.md has no commands for the $1 machine" >&2; return 1; }
	in_machine "$1" sh -c 'cd && exec bash -euxo pipefail commands' </dev/null >"$work/$1-typed.log" 2>&1
	say "typed on the $1: $(wc -l <"$work/$1/root/commands") commands"
}
types first 1
types second 2
image() { in_machine "$1" podman image inspect --format '{{.Id}}' localhost:5000/hello:1; }
[ "$(image first)" = "$(image second)" ]
say "what was pushed on the first was pulled on the second"
