#!/usr/bin/env bash
# A swarm of five registries: one has a closed data port, one a wrong clock, one a full disk, one was
# cloned, and one has an image of which there is no other copy. Asks the fifth, which is well, with
# `ipfs doctor`, and opens its page in Chromium: both have to name all five, each with what to do.
# Needs root, npm, Go, and what deps.sh installs.
#
#   [SCREENSHOTS=docs/images] [LATE=a registry of skewed/build] ills.sh bin/registry
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../registries.sh"
trap finish_clients EXIT

late=${LATE:-$work/registry-late}
[ -n "${LATE:-}" ] || (cd "$here" && go run ../../cmd/internal/skewed/build ../../cmd/registry "$late")
(cd "$here/../page" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund >/dev/null)

# join NAME [PARAMETER]: configures a registry that makes no copies by itself, with one more parameter
# of the storage.
join() {
	configure "$1" "$first"
	sed -i "s|^    bootstrappers:|    replicas: 0\n${2:+    $2\n}&|" "$work/$1.yml"
}

# stop_last: ends the registry that was started last, and waits for it.
stop_last() {
	kill "${pids[-1]}" && wait "${pids[-1]}" || true
	unset 'pids[-1]'
}

answers() { "$registry" ipfs id "$work/$1.yml" >/dev/null && curl -sf "http://$(http_of "$1")/v2/"; }

http_of() { local name=http_$1 && echo "${!name}"; }

key=$("$registry" ipfs keygen)
first=
join well
first=$("$registry" ipfs id "$work/well.yml" | sed -n 2p)
serve well
until_ok 60 answers well

join shut "dataannounceaddrs: /ip4/127.0.0.1/tcp/$(free_port)" # where nothing listens
serve shut
until_ok 60 answers shut
node "$here/../page/registry.mjs" "http://$http_shut" team/alone:1 3000000

join late
registry=$late REGISTRY_TEST_SKEW=3600 serve late

join full
mkdir -m 0700 "$work/full"
mount -t tmpfs -o size=320m registry "$work/full"
serve full
until_ok 60 answers full
cat /dev/zero >"$work/full/filler" 2>/dev/null || true

join cloned
serve cloned
until_ok 60 answers cloned
stop_last
join clone
sed -i 's/name: clone$/name: cloned/' "$work/clone.yml"
cp -r "$work/cloned" "$work/clone"
serve cloned
serve clone

# found KIND SUBJECT WHAT: doctor says it, what it means, and what to do.
found() { grep -A2 -E "^(BROKEN|WARNING) +$1: $2 .*$3" "$work/doctor" | grep -q '^ *-> .'; }

doctor_names_all() {
	"$registry" ipfs doctor "$work/well.yml" >"$work/doctor" || true # the status is that of the findings
	found data-port-closed 'shut' 'the connection is refused' && found clock-differs 'late' '1h' && found disk-full 'full' 'are free' &&
		found twin 'cloned' 'two registries run with its peer ID' && found single-copy 'shut' 'team/alone:1'
}

doctor_test() {
	until_ok 180 doctor_names_all || { cat "$work/doctor" && return 1; }
	cat "$work/doctor"
}

page_test() { (cd "$here/../page" && PAGE=http://$debug_well node --test health.test.mjs); }

if [ -n "${SCREENSHOTS:-}" ]; then
	mkdir -p "$SCREENSHOTS"
	SCREENSHOTS=$(cd "$SCREENSHOTS" && pwd)
	export SCREENSHOTS
fi
result "doctor names five ills" doctor_test
result "the page names five ills" page_test
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
