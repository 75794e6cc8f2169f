#!/usr/bin/env bash
# Runs the OCI conformance suite against the ipfs driver and, side by side,
# against the filesystem driver: the same tests must pass and fail. Then its
# read-only part against a second registry of the swarm.
#
#   run.sh <registry binary> [checkout of opencontainers/distribution-spec]
set -euo pipefail
. "$(dirname "$0")/../registries.sh"
spec=${2:-}
finish() {
	end_processes
	rm -rf "$work"
}
trap finish EXIT

if [ -z "$spec" ]; then
	spec=$work/spec
	git clone -q --depth 1 https://github.com/opencontainers/distribution-spec "$spec"
fi
(cd "$spec/conformance" && go build -o "$work/suite" .)

# begin NAME STORAGE: starts a registry and sets addr_NAME.
begin() {
	local addr
	addr=127.0.0.1:$(free_port)
	cat >"$work/$1.yml" <<-EOF
		version: 0.1
		log: {level: error, accesslog: {disabled: true}}
		storage:
		  delete: {enabled: true}
		  $2
		validation: {manifests: {urls: {allow: ["^https?://"]}}}
		http: {addr: "$addr", secret: conformance, draintimeout: 5s}
	EOF
	serve "$1"
	declare -g "addr_$1=$addr"
	until_ok 10 listens "$addr" || {
		cat "$work/$1.log" >&2
		return 1
	}
}

# suite NAME ADDR: runs the whole suite; its exit code is not what is compared.
suite() {
	OCI_REGISTRY=$2 OCI_TLS=disabled OCI_DATA_SHA512=false OCI_API_REFERRER=false OCI_DATA_SUBJECT=false \
		OCI_DATA_SUBJECT_LIST=false OCI_DATA_SUBJECT_MISSING=false OCI_RESULTS_DIR="$work/$1" \
		"$work/suite" >"$work/$1.out" 2>&1 || true
}

# outcomes NAME: a line each test, with how it ended.
outcomes() {
	python3 - "$work/$1/junit.xml" <<-'EOF'
		import sys, xml.etree.ElementTree as tree
		for case in tree.parse(sys.argv[1]).iter("testcase"):
		    end = next((c.tag for c in case if c.tag in ("failure", "error", "skipped")), "passed")
		    print(case.get("classname"), case.get("name"), end)
	EOF
}

key=$("$registry" ipfs keygen)
begin fs "filesystem: {rootdirectory: $work/fs-data}"
begin a "ipfs: {datastorepath: $work/a-data, protectorkey: \"$key\", listenaddrs: /ip4/127.0.0.1/tcp/$(free_port), dataaddrs: /ip4/127.0.0.1/tcp/0}"
first=$("$registry" ipfs id "$work/a.yml" | sed -n 2p)
begin b "ipfs: {datastorepath: $work/b-data, protectorkey: \"$key\", listenaddrs: /ip4/127.0.0.1/tcp/$(free_port), dataaddrs: /ip4/127.0.0.1/tcp/0, bootstrappers: $first}"

suite fs "$addr_fs"
suite a "$addr_a"
if [ -n "${CONFORMANCE_KEEP:-}" ]; then cp -r "$work/a" "$work/a.out" "$CONFORMANCE_KEEP"; fi
# The suite takes its kinds of blobs in any order.
outcomes fs | sort >"$work/fs.txt"
outcomes a | sort >"$work/a.txt"
for name in fs a; do
	printf '%-12s %s\n' "$name" "$(awk '{n[$NF]++} END {for (k in n) printf "%s %d  ", k, n[k]}' "$work/$name.txt")"
done
grep -hE ' (failure|error)$' "$work/a.txt" || true
if ! diff "$work/fs.txt" "$work/a.txt"; then
	echo "the drivers differ" >&2
	exit 1
fi
echo "the same tests pass and fail on both"

# What the suite deletes again cannot be read elsewhere: one image that stays.
blob() {
	local digest location
	digest=sha256:$(sha256sum <"$1" | cut -d' ' -f1)
	location=$(curl -fsS -o /dev/null -D - -X POST "http://$addr_a/v2/conformance/ro/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary @"$1" "$location&digest=$digest" >/dev/null
	echo "$digest"
}
head -c 3000000 /dev/urandom >"$work/layer"
echo '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' >"$work/config"
layer=$(blob "$work/layer")
config=$(blob "$work/config")
type=application/vnd.oci.image.manifest.v1+json
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%d}]}' \
	"$type" "$config" "$(stat -c %s "$work/config")" "$layer" "$(stat -c %s "$work/layer")" >"$work/manifest"
curl -fsS -X PUT -H "Content-Type: $type" --data-binary @"$work/manifest" "http://$addr_a/v2/conformance/ro/manifests/latest"
OCI_REGISTRY=$addr_b OCI_TLS=disabled OCI_REPO1=conformance/ro OCI_API_PUSH=false OCI_API_BLOBS_DELETE=false OCI_API_MANIFESTS_DELETE=false \
	OCI_API_TAGS_DELETE=false OCI_API_REFERRER=false OCI_RO_DATA_TAGS=latest OCI_RO_DATA_BLOBS="$layer $config" \
	OCI_RO_DATA_MANIFESTS="sha256:$(sha256sum <"$work/manifest" | cut -d' ' -f1)" OCI_RESULTS_DIR="$work/ro" \
	"$work/suite" >"$work/ro.out" 2>&1 || true
# At 967efdc the suite panics in read-only mode after its summary, before it
# writes junit.xml: the summary is what there is to read.
grep -E '^ +[A-Z].*\.+: +' "$work/ro.out" | sed -E 's/^ +//; s/\.+: +/: /' >"$work/ro.txt"
printf '%-12s passed %d  failed %d\n' "b, reading" "$(grep -c ': Pass$' "$work/ro.txt")" "$(grep -cE ': (FAIL|Fail|Error)' "$work/ro.txt")"
grep -q ': Pass$' "$work/ro.txt" && ! grep -E ': (FAIL|Fail|Error)' "$work/ro.txt"
