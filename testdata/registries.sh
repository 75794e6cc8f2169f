# shellcheck shell=bash
# Sourced by the scripts that run real registries. It takes the binary as their first
# argument, and gives them a directory and the functions below.
registry=$(realpath "${1:?usage: $0 <registry binary>}")
work=$(mktemp -d)
pids=()
passed=0 failed=0
certs= # a directory elsewhere that finish_clients removes, too

# end_processes ends what was started here, and waits for it.
end_processes() {
	local pid
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}

# until_ok SECONDS COMMAND…: waits until the command succeeds.
until_ok() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			echo "never succeeded: $*" >&2
			return 1
		fi
		sleep 0.2
	done
}

# listens HOST:PORT
listens() { (exec 3<>"/dev/tcp/${1/://}") 2>/dev/null; }

free_port() {
	local port
	for port in $(shuf -i 20000-29999 -n 200); do
		if ! listens "127.0.0.1:$port"; then
			echo "$port"
			return
		fi
	done
	return 1
}

# serve NAME: starts a registry with the configuration NAME.yml.
serve() {
	"$registry" serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
	pids+=($!)
}

# configure NAME BOOTSTRAPPER [MORE]: writes a configuration, with more lines at its end, and
# sets http_NAME and debug_NAME.
configure() {
	local http debug swarm
	http=127.0.0.1:$(free_port)
	debug=127.0.0.1:$(free_port)
	swarm=$(free_port)
	cat >"$work/$1.yml" <<-EOF
		version: 0.1
		storage:
		  ipfs:
		    name: $1
		    datastorepath: $work/$1
		    protectorkey: "$key"
		    listenaddrs: /ip4/127.0.0.1/tcp/$swarm
		    dataaddrs: /ip4/127.0.0.1/tcp/0
		    bootstrappers: $2
		http:
		  addr: $http
		  draintimeout: 5s
		  debug: {addr: $debug}
		${3:-}
	EOF
	declare -g "http_$1=$http" "debug_$1=$debug"
}

connected() { [ "$("$registry" ipfs status --json "$work/$1.yml" | grep -c '"connected": true')" = 2 ]; }

# start_three [MORE]: starts the registries c, b and a, and waits until they are one swarm.
start_three() {
	local first name
	key=$("$registry" ipfs keygen)
	configure a "" "${1:-}"
	first=$("$registry" ipfs id "$work/a.yml" | sed -n 2p)
	configure b "$first" "${1:-}"
	configure c "$first" "${1:-}"
	for name in c b a; do serve "$name"; done
	for name in a b c; do until_ok 60 connected "$name"; done
}

# finish_clients ends everything and takes away what clients leave; it is for an EXIT trap.
finish_clients() {
	local rc=$?
	end_processes
	if [ "$rc" != 0 ]; then tail -n 15 "$work"/*.log || true; fi
	podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs system reset -f >/dev/null 2>&1 || true
	grep " $work" /proc/mounts | cut -d' ' -f2 | sort -r | xargs -r umount -l || true
	if [ -n "$certs" ]; then rm -rf "$certs"; fi
	rm -rf "$work"
	exit "$rc"
}

# result NAME COMMAND…: runs one client's test, and counts it.
result() {
	local name=$1
	shift
	if "$@" >"$work/client-$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok   $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name"
		tail -n 15 "$work/client-$name.log"
	fi
}

# apart FUNCTION VARIABLE…: runs a function in a shell of its own, where a failed command
# ends it. It has these variables, and all functions.
apart() { bash -c "set -euo pipefail; $(declare -p work crane "${@:2}"); $(declare -f); $1"; }

# build_crane sets crane.
build_crane() {
	crane=$work/crane
	(cd "$(dirname "${BASH_SOURCE[0]}")" && go build -o "$crane" github.com/google/go-containerregistry/cmd/crane)
}

# with_docker NAME STEPS: runs the steps with an engine that has nothing yet.
with_docker() {
	local d=(docker -H "unix://$work/$1.sock")
	dockerd --storage-driver=vfs --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none \
		--data-root "$work/$1" --exec-root "$work/$1-exec" -H "unix://$work/$1.sock" -p "$work/$1.pid" >"$work/$1d.log" 2>&1 &
	local pid=$! rc=0
	until_ok 60 "${d[@]}" version && "$2" "${d[@]}" || rc=1
	kill "$pid" && wait "$pid" || true
	return "$rc"
}

# with_containerd NAME STEPS: likewise.
with_containerd() {
	local dir=$work/$1
	mkdir -p "$dir"
	cat >"$dir.toml" <<-EOF
		version = 2
		root = "$dir/root"
		state = "$dir/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "$dir/sock"
	EOF
	containerd --config "$dir.toml" >"$dir.log" 2>&1 &
	local pid=$! rc=0
	until_ok 60 ctr -a "$dir/sock" version && "$2" ctr -a "$dir/sock" || rc=1
	kill "$pid" && wait "$pid" || true
	return "$rc"
}
