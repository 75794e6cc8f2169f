# shellcheck shell=bash
# To be sourced: Debians that systemd boots, each in a network of its own, until halt_all.
declare -A init nspawn

# boot NAME DIRECTORY: boots what debootstrap made there; what it says goes into DIRECTORY.log. It is found by its parent.
boot() {
	systemd-nspawn --directory "$2" --machine "$1" --register=no --keep-unit --private-network --boot >"$2.log" 2>&1 &
	nspawn[$1]=$!
	timeout 60 sh -c 'until pgrep --parent "$1" >/dev/null; do sleep 0.1; done' sh "${nspawn[$1]}"
	init[$1]=$(pgrep --parent "${nspawn[$1]}")
	until_in "$1" 'systemctl list-jobs | grep -q "No jobs" && systemctl is-active multi-user.target'
}

# in_machine NAME COMMAND…
in_machine() {
	nsenter --target "${init[$1]}" --mount --uts --ipc --net --pid --root --wd env -i HOME=/root PATH=/usr/sbin:/usr/bin LC_ALL=C "${@:2}"
}

# until_in NAME WHAT: waits until what a shell runs there succeeds.
until_in() {
	timeout 300 bash -c "$(declare -p init); $(declare -f in_machine); until in_machine '$1' sh -c '$2' >/dev/null 2>&1; do sleep 0.2; done" || {
		echo "on $1 it does not come to: $2" >&2
		in_machine "$1" systemctl --no-pager list-jobs >&2
		return 1
	}
}

# halt NAME: waits until it has shut down.
halt() {
	in_machine "$1" systemctl poweroff
	wait "${nspawn[$1]}"
	unset "nspawn[$1]"
}

halt_all() {
	local pid
	for pid in "${nspawn[@]}"; do { kill "$pid" && wait "$pid"; } 2>/dev/null || true; done
}
