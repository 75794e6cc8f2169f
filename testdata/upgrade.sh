#!/usr/bin/env bash
# Builds an earlier release, and mixes it with this tree in one swarm (cmd/upgrade).
#
#	testdata/upgrade.sh REGISTRY UPGRADE [COMMIT] [FLAG…]
#
# The earlier release is COMMIT. Without one, "": the newest tag before this commit; if there is none,
# the last commit that lacked one of the capabilities of this tree.
set -euo pipefail
cd "$(dirname "$0")/.."
registry=${1:?usage: $0 REGISTRY UPGRADE [COMMIT] [FLAG…]}
upgrade=${2:?usage: $0 REGISTRY UPGRADE [COMMIT] [FLAG…]}
from=${3:-}
shift $(($# < 3 ? $# : 3))

why="as it was asked for"
if [ -z "$from" ] && from=$(git describe --tags --abbrev=0 'HEAD^' 2>/dev/null); then
	why="the newest tag"
elif [ -z "$from" ]; then
	from=$(git log -1 --format=%H -- driver/internal/engine/capabilities.go)^
	why="there is no tag yet: the last commit that lacked a capability of this tree"
fi
commit=$(git rev-parse --verify --quiet "$from^{commit}") || {
	echo "no commit $from in this repository (a shallow clone has few)" >&2
	exit 2
}
git log -1 --format="from %h of %cs, $why: %s" "$commit"

work=$(mktemp -d)
remove() {
	git worktree remove --force "$work/tree" 2>/dev/null || true
	rm -rf "$work"
}
trap remove EXIT
git worktree add --quiet --detach "$work/tree" "$commit"
stamp=github.com/distribution-ipfs/distribution-ipfs/driver/internal/build
(cd "$work/tree" && go build -trimpath -buildvcs=false -ldflags "-X $stamp.commit=$commit -X $stamp.version=$(git describe --tags "$commit" 2>/dev/null || true)" \
	-o "$work/earlier" ./cmd/registry)
git worktree remove --force "$work/tree"
"$upgrade" -from "$work/earlier" -to "$registry" "$@"
