#!/usr/bin/env bash
# Installs the Debian package in a bare Debian that systemd has booted, starts the registry, pushes to it,
# removes and purges the package; and the RPM in another, by rpm itself. Then machines.sh types what the README
# says for two machines. Needs root, and Debian's debootstrap, systemd-container, rpm and a mirror of Debian.
# DIST=… has packages of a release v0.1.0; without it one is made of the last commit. ROOTFS=… is a bare
# Debian; without it debootstrap makes one.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in debootstrap systemd-nspawn rpm; do
	command -v $tool >/dev/null || { echo "WITHOUT $tool: packages are not installed" >&2; exit; }
done
work=$(mktemp -d)
nspawn=
finish() {
	status=$?
	[ $status = 0 ] || tail -n 30 "$work"/*.log >&2 || true
	[ -z "$nspawn" ] || { kill "$nspawn" && wait "$nspawn"; } 2>/dev/null || true
	umount -l "$work"/*/proc 2>/dev/null || true # of a debootstrap that was interrupted
	rm -rf --one-file-system "$work"
	exit $status
}
trap finish EXIT
say() { echo "ok   $*"; }

dist=${DIST:-$work/dist}
if [ -z "${DIST:-}" ]; then
	go=${GO:-go}
	(cd tools/release && "$go" run . -root "$OLDPWD" -out "$dist" -version v0.1.0 -targets "linux/$("$go" env GOHOSTARCH)")
fi

rootfs=${ROOTFS:-$work/bare}
[ -n "${ROOTFS:-}" ] || debootstrap --variant=minbase --include=systemd,systemd-sysv,init-system-helpers,ca-certificates,curl bookworm "$rootfs" >"$work/debootstrap.log"
cp -a "$rootfs" "$work/debian"
cp -a "$rootfs" "$work/rpm"
cp "$dist"/*.deb "$work/debian/root/registry.deb"

# systemd boots in a network of its own, and is found by its parent.
systemd-nspawn --directory "$work/debian" --register=no --keep-unit --private-network --boot >"$work/boot.log" 2>&1 &
nspawn=$!
timeout 60 sh -c 'until pgrep --parent "$1" >/dev/null; do sleep 0.1; done' sh "$nspawn"
init=$(pgrep --parent "$nspawn")
inside() { nsenter --target "$init" --mount --uts --ipc --net --pid --root --wd env -i PATH=/usr/sbin:/usr/bin LC_ALL=C "$@"; }
until_inside() { timeout 300 bash -c "$(declare -f inside); init=$init; until inside sh -c '$1' >/dev/null 2>&1; do sleep 0.2; done"; }
until_inside 'systemctl list-jobs | grep -q "No jobs" && systemctl is-active multi-user.target'
say "a bare Debian runs: $(inside cat /etc/debian_version)"

inside apt-get install --quiet --yes /root/registry.deb >"$work/apt.log" 2>&1
[ "$(inside systemctl is-enabled registry)" = enabled ]
[ "$(inside systemctl is-active registry || true)" = inactive ]
say "the service is enabled, and not started"

inside systemctl start registry
until_inside 'curl -fsS http://127.0.0.1:5001/readyz'
inside runuser -u registry -- registry ipfs status /etc/registry/config.yml >"$work/status.log"
[ "$(inside stat -c '%U %a' /var/lib/registry /var/lib/registry/swarm/swarm.key | tr '\n' ' ')" = "registry 700 registry 600 " ]
say "it is ready, and has made the protector key"
was=$(inside systemctl show --property MainPID --value registry)
inside systemctl reload registry
until_inside 'journalctl --quiet --unit registry | grep -q "SIGHUP: nothing is read again"'
[ "$(inside systemctl show --property MainPID --value registry)" = "$was" ]
say "it goes on after a reload"

exposure=$(inside systemd-analyze security --no-pager registry.service | sed -n 's/.*Overall exposure level for registry.service: \([0-9.]*\).*/\1/p')
awk -v is="$exposure" 'BEGIN { exit !(is != "" && is <= 2.5) }'
say "systemd-analyze security: $exposure"

digest=sha256:$(head -c 100000 /dev/urandom | tee "$work/debian/root/blob" | sha256sum | cut -d' ' -f1)
# shellcheck disable=SC2016 # the shell inside has these
inside sh -ec 'at=$(curl -fsS -X POST -D- -o /dev/null http://127.0.0.1:5000/v2/a/blobs/uploads/ | sed -n "s/\r//;s/^[Ll]ocation: //p")
curl -fsS -X PUT --data-binary @/root/blob -H "Content-Type: application/octet-stream" "$at&digest=$1"
curl -fsS "http://127.0.0.1:5000/v2/a/blobs/$1" | cmp - /root/blob' sh "$digest"
say "a blob was pushed and pulled"

inside apt-get remove --quiet --yes distribution-ipfs >"$work/remove.log" 2>&1
[ "$(inside systemctl is-active registry || true)" = inactive ]
inside test -e /var/lib/registry/swarm/swarm.key -a -e /etc/registry/config.yml
say "removed: what it kept is there"
inside apt-get install --quiet --yes /root/registry.deb >"$work/apt.log" 2>&1
inside systemctl start registry
until_inside 'curl -fsS http://127.0.0.1:5001/readyz'
inside curl -fsS -o /dev/null "http://127.0.0.1:5000/v2/a/blobs/$digest"
say "installed again: the blob is there"

inside env DEBIAN_FRONTEND=noninteractive apt-get purge --quiet --yes distribution-ipfs >"$work/purge.log" 2>&1
inside test -e /var/lib/registry/swarm/swarm.key
inside test ! -e /etc/registry/config.yml
say "purged with nobody there: what it kept is there"
inside apt-get install --quiet --yes /root/registry.deb >"$work/apt.log" 2>&1
echo y | inside script --quiet --return --command "dpkg --purge distribution-ipfs" /dev/null >"$work/purge.log" 2>&1
inside test ! -e /var/lib/registry
! inside getent passwd registry >/dev/null || exit 1
say "purged with a yes: nothing is left"
inside systemctl poweroff
wait "$nspawn"
nspawn=

# The scripts of the RPM run in the root of another Debian: it has a shell, useradd and systemctl.
rpm --checksig --nosignature "$dist"/*.rpm >"$work/rpm.log"
in_rpm() { rpm --root "$work/rpm" --dbpath /var/lib/rpm "$@"; }
in_rpm --initdb
in_rpm --install --nodeps "$dist"/*.rpm >>"$work/rpm.log" 2>&1
[ "$(chroot "$work/rpm" systemctl is-enabled registry)" = enabled ]
[ "$(chroot "$work/rpm" stat -c '%U %a' /var/lib/registry)" = "registry 700" ]
chroot "$work/rpm" runuser -u registry -- registry version >>"$work/rpm.log"
in_rpm --verify --nodeps distribution-ipfs
in_rpm --erase distribution-ipfs >>"$work/rpm.log" 2>&1
[ -d "$work/rpm/var/lib/registry" ] && [ ! -e "$work/rpm/usr/bin/registry" ]
say "the RPM is installed and erased, and what the registry keeps stays"

testdata/deploy/machines.sh "$rootfs" "$dist"
