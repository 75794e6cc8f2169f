#!/usr/bin/env bash
# Builds bin/registry of the last commit in two directories: both must be the same, byte by
# byte, and `registry version` must name the commit and its date. Needs git and make.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for dir in a longer/b; do
	git clone --quiet . "$work/$dir"
	make --silent -C "$work/$dir" build
done
cmp "$work/a/bin/registry" "$work/longer/b/bin/registry"
said=$("$work/a/bin/registry" version)
want="(commit $(git rev-parse HEAD), $(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd))"
[[ $said == *"$want"* ]] || { echo "registry version: $said, want $want" >&2; exit 1; }
echo "two builds are the same: $said"
