#!/usr/bin/env bash
# Makes a release of the last commit, for this machine's platform, in two directories: both must be
# the same, byte by byte, and the binary must say what it is of. Needs git and make.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
target=$("$go" env GOHOSTOS)/$("$go" env GOHOSTARCH)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for dir in a longer/b; do
	git clone --quiet . "$work/$dir"
	make --silent -C "$work/$dir" release VERSION=v0.0.1 TARGETS="$target"
done
diff "$work/a/dist/SHA256SUMS" "$work/longer/b/dist/SHA256SUMS"
said=$("$work/a/dist/build/${target/\//-}/registry" version)
want="distribution-ipfs v0.0.1 (commit $(git rev-parse HEAD), $(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd))"
[[ $said == "$want"* ]] || { echo "registry version: $said, want $want" >&2; exit 1; }
echo "two releases are the same: $said"
