#!/usr/bin/env bash
# fuzz.sh [TIME]: runs each fuzz target of this repository for TIME (10s), or so many times (1000x),
# as many at once as there are processors. What one finds is in testdata/fuzz beside its test.
# INSTRUMENT=ours: new paths are seen in our packages only, and no module is compiled once more
# for it, which takes longer than some seconds of each target.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cache=$(go env GOCACHE)/fuzz/$(go list -m)

# fuzz runs a target: its package, its name, and the test binary.
fuzz() {
	(cd "$1" && "$3" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" \
		-test.fuzzcachedir "$cache/$1" -test.parallel 1 -test.timeout 0)
}

# fuzzed is fuzz with its output in a file. A target that fails and leaves no failing input is
# run again, twice at most: where the time is up at the wrong moment, Go calls that a failure
# ("context deadline exceeded", https://go.dev/issue/75804). A seed that fails, fails again.
fuzzed() {
	for _ in 1 2 3; do
		fuzz "$1" "$2" "$3" >"$4" 2>&1 && return
		[ -z "$(find "$1/testdata/fuzz/$2" -type f -newer "$out" 2>/dev/null)" ] || return
	done
	return 1
}

# one runs a target: its package, and its name.
one() {
	local name=$out/$(tr / _ <<<"$1") begun=$SECONDS
	local log=$name.$2.log
	if fuzzed "$@" "$name.test" "$log"; then
		echo "$2 in $1: $(grep -o 'execs: [0-9]*' "$log" | tail -1) in $((SECONDS - begun)) s"
	else
		echo "$2 in $1 FAILED:" >&2
		cat "$log" >&2
		return 1
	fi
}

instrument=(-fuzz=.)
if [ "${INSTRUMENT-}" = ours ]; then
	instrument=("-gcflags=$(go list -m)/...=-d=libfuzzer") # what -fuzz does to all packages
fi
targets=()
while IFS=: read -r file func; do
	targets+=("$(dirname "$file")" "${func#func }")
done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z]+' cmd driver | sort)
for package in $(printf '%s\n' "${targets[@]}" | awk 'NR % 2' | sort -u); do
	go test -c "${instrument[@]}" -ldflags="-s -w" -o "$out/$(tr / _ <<<"$package").test" "./$package"
done
export -f one fuzz fuzzed
export out time cache
printf '%s\n' "${targets[@]}" | xargs -n 2 -P "$(nproc)" bash -c 'one "$0" "$1"'
