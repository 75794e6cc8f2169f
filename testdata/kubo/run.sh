#!/bin/bash
# Compares with a real Kubo: the CIDs of testdata/cids*.json with those `ipfs add`
# prints, and bytes that Kubo fetches from a registry of the same private network.
#
#   run.sh <registry binary> [ipfs binary]
#
# Without an ipfs binary Kubo is built from its module, which takes some minutes.
# Needs Go, curl and 4 GiB of disk.
set -euo pipefail

registry=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
version=v0.41.0
work=$(mktemp -d)
pids=()
export IPFS_PATH=$work/repo LIBP2P_FORCE_PNET=1

finish() {
	[ $? = 0 ] || tail -n 20 "$work"/*.log >&2 || true
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$work"
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }

build_kubo() {
	echo "building Kubo $version"
	local module
	module=$(cd "$work" && GOFLAGS=-mod=mod go mod download -json "github.com/ipfs/kubo@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$module" "$work/kubo"
	chmod -R u+w "$work/kubo"
	(cd "$work/kubo" && go build -mod=readonly -o "$work/ipfs" ./cmd/ipfs)
	ipfs=$work/ipfs
}

# Nothing of Kubo's leaves this machine, and nobody but the key's owners comes in.
init_kubo() {
	"$registry" ipfs keygen --swarm-key >"$work/swarm.key"
	"$ipfs" init --empty-repo >/dev/null
	cp "$work/swarm.key" "$IPFS_PATH/swarm.key"
	"$ipfs" config --json AutoConf.Enabled false
	"$ipfs" config --json AutoTLS.Enabled false
	"$ipfs" config --json Bootstrap '[]'
	"$ipfs" config --json DNS.Resolvers '{}'
	"$ipfs" config --json Routing '{"Type":"none"}'
	"$ipfs" config --json Ipns.DelegatedPublishers '[]'
	"$ipfs" config --json Routing.DelegatedRouters '[]'
	"$ipfs" config --json Discovery.MDNS.Enabled false
	"$ipfs" config --json Swarm.RelayClient.Enabled false
	"$ipfs" config --json Swarm.Transports.Network.QUIC false
	"$ipfs" config --json Swarm.Transports.Network.Relay false
	"$ipfs" config --json Addresses.Swarm '["/ip4/127.0.0.1/tcp/0"]'
	"$ipfs" config Addresses.API /ip4/127.0.0.1/tcp/0
	"$ipfs" config Addresses.Gateway ""
}

# pattern prints $1 bytes, byte k being k mod 251.
pattern() {
	[ -f "$work/period" ] || for k in $(seq 0 250); do printf "\\x$(printf %x "$k")"; done >"$work/period"
	if [ ! -f "$work/periods" ]; then
		for _ in $(seq 4096); do cat "$work/period"; done >"$work/periods"
	fi
	(while cat "$work/periods"; do :; done) 2>/dev/null | head -c "$1" || true
}

# compare_cids takes the name of a file of CIDs.
compare_cids() {
	local file=$here/../$1 flags size want got n=0
	flags=$(sed -n 's/.*"command": "ipfs add \(.*\)".*/\1/p' "$file")
	while read -r size want; do
		# shellcheck disable=SC2086 # the flags are several words
		got=$(pattern "$size" | "$ipfs" add --quieter --only-hash $flags)
		[ "$got" = "$want" ] || fail "$size bytes: Kubo says $got, testdata/$1 $want"
		n=$((n + 1))
	done < <(awk -F'[:,]' '/"size"/ {size=$2+0} /"cid"/ {gsub(/[" ]/, "", $2); print size, $2}' "$file")
	[ "$n" -gt 0 ] || fail "no CIDs in testdata/$1"
	echo "$n CIDs are those of \`ipfs add $flags\`"
}

# serve starts a registry: name, http port, hash function.
serve() {
	cat >"$work/$1.yml" <<-YAML
		version: 0.1
		log: {level: warn, accesslog: {disabled: true}}
		storage:
		  ipfs:
		    datastorepath: $work/$1
		    protectorkeyfile: $work/swarm.key
		    listenaddrs: /ip4/127.0.0.1/tcp/0
		    dataaddrs: /ip4/127.0.0.1/tcp/0
		    fetchtimeout: 10s
		    hash: $3
		http: {addr: "127.0.0.1:$2", draintimeout: 5s}
	YAML
	"$registry" serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
	pids+=($!)
	until_true "registry $1 answers" curl -sf -o /dev/null "http://127.0.0.1:$2/v2/"
}

until_true() {
	local what=$1
	shift
	for _ in $(seq 1200); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "never: $what"
}

address() { "$registry" ipfs id "$work/$1.yml" | tail -1; }

free_port() {
	local port
	while port=$((RANDOM % 18000 + 12000)); (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

# push uploads a file to a registry's port.
push() {
	local location
	location=$(curl -sf -i -X POST "http://127.0.0.1:$1/v2/kubo/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
	curl -sf -o /dev/null -X PUT --data-binary "@$2" -H 'Content-Type: application/octet-stream' "$location&digest=$3"
}

start_kubo() {
	"$ipfs" daemon >"$work/kubo.log" 2>&1 &
	pids+=($!)
	until_true "Kubo is up" "$ipfs" swarm addrs local
}

# fetch takes the name of a registry to start, and its hash function.
fetch() {
	local http digest cid got
	http=$(free_port)
	serve "$1" "$http" "$2"
	head -c 20000000 /dev/urandom >"$work/layer"
	digest=sha256:$(sha256sum "$work/layer" | cut -d' ' -f1)
	push "$http" "$work/layer" "$digest"
	cid=$(ls "$work/$1/blobs")
	"$ipfs" swarm connect "$(address "$1")" >/dev/null
	got=sha256:$(timeout 60 "$ipfs" cat --progress=false "$cid" | sha256sum | cut -d' ' -f1)
	[ "$got" = "$digest" ] || fail "Kubo fetched $got, not $digest"
	echo "Kubo fetched $cid ($2) from the registry by bitswap"
}

ipfs=${2:-}
[ -n "$ipfs" ] || build_kubo
init_kubo
compare_cids cids.json
compare_cids cids-blake3.json
start_kubo
fetch a sha2-256
fetch b blake3
