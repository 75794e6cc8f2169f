#!/usr/bin/env bash
# Opens the page of one of three registries in a headless Chromium: every view, in light and dark and
# as wide as a telephone, while a pull runs, and while a registry is away. Needs root, npm, and what
# `make deps` installs.
#
#   [SCREENSHOTS=docs/images] run.sh bin/registry
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${IN_OWN_NET:-}" ]; then
	(cd "$here" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund)
	exec env IN_OWN_NET=1 unshare --net "$0" "$@" # whose loopback interface can be slowed
fi
ip link set lo up
. "$here/../registries.sh"

finish_page() {
	local rc=$?
	kill -CONT "${pids[0]}" 2>/dev/null || true
	end_processes
	if [ "$rc" != 0 ]; then tail -n 15 "$work"/*.log || true; fi
	rm -rf "$work"
	exit "$rc"
}
trap finish_page EXIT

key=$("$registry" ipfs keygen)
configure attic ""
first=$("$registry" ipfs id "$work/attic.yml" | sed -n 2p)
configure barn "$first"
configure cellar "$first"
for name in cellar barn attic; do # a pull brings what nobody has fetched before
	sed -i 's/^    bootstrappers:/    replicas: 0\n&/' "$work/$name.yml"
	serve "$name"
done
for name in attic barn cellar; do until_ok 60 connected "$name"; done

if [ -n "${SCREENSHOTS:-}" ]; then
	mkdir -p "$SCREENSHOTS"
	SCREENSHOTS=$(cd "$SCREENSHOTS" && pwd)
	export SCREENSHOTS
fi
cd "$here"
REGISTRY=$registry CONFIG=$work/attic.yml PAGE=http://$debug_attic HERE=http://$http_attic THERE=http://$http_barn STOPPABLE=${pids[0]} \
	node --test page.test.mjs
