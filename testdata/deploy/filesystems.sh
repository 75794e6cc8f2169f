#!/usr/bin/env bash
# Import, export and backup on ext4, on xfs with reflinks and on btrfs, each in a file behind a loop device:
# bytes are shared (xfs, btrfs) or are second names (ext4) where they should be, as the blocks in use say,
# and copied across filesystems. What was exported is read by skopeo, and by oras where that is. Needs root, and
# Debian's e2fsprogs, xfsprogs, btrfs-progs and skopeo.
#
#   filesystems.sh bin/registry crane
set -euo pipefail
registry=$(realpath "$1") crane=$(realpath "$2")
work=$(mktemp -d)
server=
finish() {
	status=$?
	[ $status = 0 ] || tail -n 5 "$work"/*.log >&2 || true
	stop || true
	for at in "$work"/at/*; do
		! mountpoint -q "$at" || umount "$at"
	done
	rm -rf "$work"
	exit $status
}
trap finish EXIT

# on KIND SIZE MKFS…: makes a filesystem, and mounts it at $work/at/KIND.
on() {
	local kind=$1 size=$2 name=$work/$1.img at=$work/at/$1
	shift 2
	mkdir -p "$at"
	truncate -s "$size" "$name"
	"$@" "$name" >/dev/null
	mount -o loop "$name" "$at"
}

# used KIND: KiB in use there, once all is written.
used() { sync -f "$work/at/$1" && df --output=used -k "$work/at/$1" | tail -1; }

# config NAME ROOT: a configuration of this project's registry, or with a rootdirectory of distribution's.
config() {
	local storage="ipfs: {datastorepath: $2, offline: true, minfree: 1%}"
	[ "$1" != old ] || storage="filesystem: {rootdirectory: $2}"
	cat >"$work/$1.yml" <<-END
		version: 0.1
		storage:
		  $storage
		http: {addr: "127.0.0.1:$port"}
	END
}

serve() {
	"$registry" serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
	server=$!
	timeout 60 sh -c "until curl -sf http://127.0.0.1:$port/v2/ >/dev/null; do sleep 0.1; done"
}

stop() {
	[ -n "$server" ] || return 0
	kill "$server" && wait "$server" || true
	server=
}

# json FIELD: that of what the last command said.
json() { jq -r "$1" "$work/said.json"; }

fail() { echo "FAIL $*" >&2; exit 1; }

layer=$((32 << 20))
port=$(shuf -i 20000-30000 -n 1)

# images: a registry of distribution's, with an image of one large layer, an index of two platforms, and a signature.
images() {
	local root=$1 p
	config old "$root"
	serve old
	for p in amd64 arm64; do
		head -c $layer /dev/urandom >"$work/unique"
		tar -C "$work" -cf "$work/layer.tar" unique
		"$crane" append --insecure --oci-empty-base --platform "linux/$p" -f "$work/layer.tar" -t "127.0.0.1:$port/team/$p:1" >/dev/null 2>&1
	done
	"$crane" index append --insecure -m "127.0.0.1:$port/team/amd64:1" -m "127.0.0.1:$port/team/arm64:1" -t "127.0.0.1:$port/team/multi:1" >/dev/null 2>&1
	stop
}

# import_there KIND HOW FROM: imports on one filesystem.
import_there() {
	local before after
	before=$(used "$1")
	"$registry" ipfs import --json "$work/own.yml" "$3" >"$work/said.json"
	after=$(used "$1")
	[ "$(json .fault_count)" = 0 ] || fail "$1: $(cat "$work/said.json")"
	check "$1" "$2" import "$(json ".$2.bytes")" $((after - before))
}

# check KIND HOW WHAT BYTES KIB: that so many bytes came so, and how many KiB more are in use.
check() {
	[ "$4" -ge $((2 * layer)) ] || fail "$1: $3: $4 bytes are $2"
	if [ "$2" = copied ]; then
		[ "$5" -ge $((2 * layer / 1024)) ] || fail "$1: $3 is to copy, and takes $5 KiB"
	else
		[ "$5" -le $((layer / 1024)) ] || fail "$1: $3 is $2, and takes $5 KiB"
	fi
	echo "ok   $1: $3: $2, $(($4 >> 20)) MiB take $5 KiB"
}

# whole DIR: skopeo reads the images of a layout, with the digests that they have in the registry.
whole() {
	local of d
	for of in team/amd64:1 team/arm64:1 team/multi:1; do
		d=$("$crane" digest --insecure "127.0.0.1:$port/$of")
		[ "sha256:$(skopeo inspect --raw "oci:$1:$of" | sha256sum | cut -d' ' -f1)" = "$d" ] || fail "$of of $1 is not $d"
		skopeo copy --quiet --all --insecure-policy --dest-tls-verify=false "oci:$1:$of" "docker://127.0.0.1:$port/back/$of"
		# Of an index skopeo writes an own one, of the same images.
		[ $of = team/multi:1 ] || [ "$("$crane" digest --insecure "127.0.0.1:$port/back/$of")" = "$d" ] || fail "$of came back with another digest"
	done
	if command -v oras >/dev/null; then
		oras manifest fetch --oci-layout "$1@$d" >/dev/null
	else
		echo "WITHOUT oras: only skopeo reads $1" >&2
	fi
}

# moved KIND SAME: all on one filesystem, whose files share bytes as SAME says, and then to and from another one.
moved() {
	local kind=$1 same=$2 exported=copied before at=$work/at/$1
	[ "$same" != cloned ] || exported=shared
	images "$at/old"
	config own "$at/registry"
	serve own
	import_there "$kind" "$same" "$at/old"

	for form in "" --oci; do
		before=$(used "$kind")
		"$registry" ipfs export --json $form "$work/own.yml" "$at/out$form" >"$work/said.json"
		[ "$(json .fault_count)" = 0 ] || fail "$kind: $(cat "$work/said.json")"
		if [ $exported = shared ]; then
			check "$kind" shared "export $form" "$(json .shared.bytes)" $(($(used "$kind") - before))
		else
			check "$kind" copied "export $form" "$(json .written.bytes)" $(($(used "$kind") - before))
		fi
	done
	whole "$at/out--oci"

	before=$(used "$kind")
	"$registry" ipfs backup --json "$work/own.yml" "$at/backup" >"$work/said.json"
	check "$kind" "$same" backup "$(json ".$same.bytes")" $(($(used "$kind") - before))
	before=$(used other)
	"$registry" ipfs backup --json "$work/own.yml" "$work/at/other/$kind" >"$work/said.json"
	check "$kind" copied "backup elsewhere" "$(json .copied.bytes)" $(($(used other) - before))
	"$registry" ipfs backup "$work/own.yml" - 2>/dev/null >"$work/at/other/$kind.tar"
	stop

	# What came from one filesystem to the other is whole.
	config own "$at/restored"
	"$registry" ipfs restore --json "$work/own.yml" "$work/at/other/$kind.tar" >"$work/said.json"
	[ "$(json .fault_count)" = 0 ] || fail "$kind: $(cat "$work/said.json")"
	serve own
	"$crane" validate --insecure --remote "127.0.0.1:$port/team/amd64:1" >/dev/null 2>&1 || fail "$kind: what was restored is not whole"
	stop
	config own "$work/at/other/registry-$kind"
	serve own
	before=$(used other)
	"$registry" ipfs import --json "$work/own.yml" "$at/old" >"$work/said.json"
	check "$kind" copied "import elsewhere" "$(json .copied.bytes)" $(($(used other) - before))
	stop
	rm -rf "$work/at/other/"*
	umount "$at"
	rm "$work/$kind.img"
}

on other 1G mkfs.ext4 -q
for kind in ext4 xfs btrfs; do
	if ! command -v mkfs.$kind >/dev/null; then
		echo "WITHOUT mkfs.$kind: nothing is tried on $kind" >&2
		continue
	fi
	modprobe -q $kind 2>/dev/null || true
	if ! grep -qw $kind /proc/filesystems; then
		echo "WITHOUT $kind in this kernel: nothing is tried on it" >&2
		continue
	fi
	case $kind in
	ext4) on ext4 1G mkfs.ext4 -q && moved ext4 linked ;;
	xfs) on xfs 1G mkfs.xfs -q -m reflink=1 && moved xfs cloned ;;
	btrfs) on btrfs 1G mkfs.btrfs -q && moved btrfs cloned ;;
	esac
done
