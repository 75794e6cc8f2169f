#!/usr/bin/env bash
# A machine in which the commands of a page are run: TestSessions calls it in namespaces of its own, and in
# an empty directory. What commands write into /etc, /usr, /var/lib, /srv and /media is gone afterwards.
#
#   session.sh <registry> <crane> <repository> <what is there before> <commands>
set -euo pipefail
registry=$1 crane=$2 repository=$3 begins=$4 commands=$5
self=$(realpath "$0") home=$PWD

# layer puts what is written into a directory aside.
layer() {
	local dir
	for dir; do
		mkdir -p "/run/session/up$dir" "/run/session/work$dir"
		mount -t overlay overlay -o "lowerdir=$dir,upperdir=/run/session/up$dir,workdir=/run/session/work$dir" "$dir"
	done
}

# on_disk has a directory here, since datastores are too large for memory.
on_disk() {
	local dir
	for dir; do
		mkdir -p "$dir" "$PWD/.disk$dir"
		mount --bind "$PWD/.disk$dir" "$dir"
	done
}

own_files() {
	mount --make-rprivate /
	mount -t tmpfs tmpfs /run
	layer /etc /usr /var/lib
	mount -t tmpfs tmpfs /media
	on_disk /var/lib/registry /var/lib/old-registry /var/lib/containers /srv /media/disk
	ln -sf "$registry" /usr/bin/registry
	ln -sf "$crane" /usr/bin/crane
	mkdir -p /etc/containers
	printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers"\ngraphroot = "/var/lib/containers"\n' >/etc/containers/storage.conf
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
	ip link set lo up
	export HOME=$PWD TMPDIR=$PWD/.tmp
	mkdir -p "$TMPDIR"
}

until_ok() {
	local deadline=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || { "$@"; return 1; }
		sleep 0.1
	done
}

is_ready() { registry ipfs status --json "$1" | grep -q '"not_ready": \[\]'; }

# config FILE NAME IP MORE…: a configuration, with more lines of the block ipfs.
config() {
	local file=$1 name=$2 ip=$3 line data=./$2
	shift 3
	[ "$name" != attic ] || data=/var/lib/registry/ipfs
	cat >"$file" <<-EOF
		version: 0.1
		storage:
		  ipfs:
		    name: $name
		    datastorepath: $data
		    protectorkeyfile: ${key:-./swarm.key}
		    listenaddrs: /ip4/$ip/tcp/4619
		    dataaddrs: /ip4/$ip/tcp/4620
		    minfree: 1%
		$(for line; do echo "    $line"; done)
		  delete: {enabled: true}
		http:
		  addr: $ip:5000
		  debug: {addr: "$ip:5001"}
	EOF
}

serve() {
	local name=$1
	registry serve "$name" >>"${name##*/}.log" 2>&1 &
	server=$!
	until_ok is_ready "$name"
}

# image NAME BYTES: pushes one of one layer of that many bytes to a registry.
image() {
	rm -rf rootfs && mkdir rootfs
	head -c "$2" /dev/urandom >rootfs/unique
	tar -C rootfs -cf rootfs.tar .
	crane append --insecure --oci-empty-base --platform linux/amd64 -f rootfs.tar -t "$1" >/dev/null 2>&1
}

# certified NAME IP: a certificate that clients here trust, and the name in /etc/hosts.
certified() {
	echo "$2 $1" >>/etc/hosts
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext "subjectAltName=DNS:$1" \
		-keyout "$1.key" -out "$1.crt" 2>/dev/null
	cat "$1.crt" >>/etc/ssl/certs/ca-certificates.crt
}

# What is there before a page's commands.
archive() {
	local name=distribution-ipfs-v0.1.0-linux-amd64
	rm /usr/bin/registry
	mkdir "$name" && cp "$registry" "$name/registry"
	tar -I 'gzip -1' -cf "$name.tar.gz" "$name" && rm -r "$name"
}

checkout() { mkdir bin && cp /usr/bin/registry bin/; }

unpacked() {
	rm /usr/bin/registry && cp "$registry" registry
	cp "$repository"/deploy/package/{config.yml,registry.service} .
	mkdir man && ./registry man man
	(echo /key/swarm/psk/1.0.0/; echo /base16/; ./registry ipfs keygen) >swarm.key
	mkdir -p /etc/bash_completion.d /usr/local/share/man/man1
}

swarm() {
	local first=/ip4/127.0.0.2/tcp/4619 name ip=3
	key=$PWD/swarm.key
	mkdir -p /etc/registry /etc/containerd
	printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n' >/etc/containerd/config.toml
	config /etc/registry/config.yml attic 127.0.0.2
	sed -i 's/127.0.0.2:5000/127.0.0.1:5000/' /etc/registry/config.yml
	ln -s /etc/registry/config.yml config.yml
	serve config.yml
	attic=$server
	for name in barn cellar; do
		config $name.yml $name 127.0.0.$ip "bootstrappers: $first"
		serve $name.yml
		ip=$((ip + 1))
	done
	for name in shed edge-2; do
		config $name.yml $name 127.0.0.$ip "bootstrappers: $first" "capacity: 0"
		serve $name.yml
		until_ok sh -c "registry ipfs status config.yml | grep $name"
		kill "$server" && wait "$server"
		ip=$((ip + 1))
	done
	for name in team/app:1.3 team/app:1.4 team/app:old team/app:latest legacy:latest base:latest; do image "127.0.0.3:5000/$name" 3000000; done
	image 127.0.0.4:5000/team/app:latest 2000000
	crane delete --insecure 127.0.0.3:5000/team/app:old
}

# listed has a page's registry know the others by a file.
listed() {
	local name
	for name in config barn cellar shed edge-2; do registry ipfs id $name.yml | sed -n 1p; done >/etc/registry/peers
	sed -i 's|^    minfree:.*|&\n    trustedpeersfile: /etc/registry/peers\n    allowedpeersfile: /etc/registry/peers|' /etc/registry/config.yml
	kill "$attic" && wait "$attic"
	registry serve config.yml >>config.yml.log 2>&1 &
	until_ok registry ipfs status config.yml
}

# with_all COMMAND…: carries out a command while those run, too, that are away otherwise.
with_all() {
	local name pids=()
	for name in shed edge-2; do
		serve $name.yml
		pids+=("$server")
	done
	until_ok "$@"
	kill "${pids[@]}" && wait "${pids[@]}"
}

edge() {
	key=$PWD/swarm.key
	config hub.yml hub 127.0.0.2
	serve hub.yml
	config shop-17.yml shop-17 127.0.0.3 "bootstrappers: /ip4/127.0.0.2/tcp/4619" "zone: shop-17" "capacity: 0"
	serve shop-17.yml
	image 127.0.0.2:5000/team/app:1.4 3000000
}

# secured FILE NAME: has a configuration serve TLS at port 443.
secured() { sed -i "s|:5000|:443\n  tls: {certificate: $2.crt, key: $2.key}|" "$1"; }

# public: a registry that others have, at https://registry.example.com.
public() {
	certified registry.example.com 127.0.0.9
	cat >public.yml <<-EOF
		version: 0.1
		storage: {filesystem: {rootdirectory: /var/lib/old-registry}}
		http:
		  addr: 127.0.0.9:443
		  tls: {certificate: registry.example.com.crt, key: registry.example.com.key}
	EOF
	registry serve public.yml >public.log 2>&1 &
	until_ok curl -sf https://registry.example.com/v2/
	image "registry.example.com/team/$1:1" 3000000
}

gap() {
	key=$PWD/outside.key config outside.yml outside 127.0.0.2
	serve outside.yml
	certified registry.inside.example.com 127.0.0.3
	key=$PWD/inside.key config inside.yml inside 127.0.0.3
	secured inside.yml registry.inside.example.com
	serve inside.yml
	image 127.0.0.2:5000/team/app:1 3000000
	public base
}

old() {
	mkdir -p /etc/registry
	config /etc/registry/config.yml attic 127.0.0.2
	serve /etc/registry/config.yml
	public app
}

# balanced: three registries, and in front of them first nginx, then HAProxy, as the page configures them.
balanced() {
	local i first=/ip4/192.0.2.10/tcp/4619
	key=$PWD/swarm.key
	certified registry.example.com 127.0.0.1
	for i in 0 1 2; do
		ip addr add "192.0.2.1$i/32" dev lo
		if [ $i = 0 ]; then # it makes the key
			config 0.yml r0 192.0.2.10
		else
			config "$i.yml" "r$i" "192.0.2.1$i" "bootstrappers: $first"
		fi
		serve "$i.yml"
	done
	on_page() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$repository/docs/load-balancer.md" | sed 1d\;\$d; }
	pushes() {
		until_ok curl -sf https://registry.example.com/v2/
		local to=registry.example.com/$1
		rm -rf rootfs && mkdir rootfs
		head -c 30000000 /dev/urandom >rootfs/unique
		tar -C rootfs -cf rootfs.tar .
		crane append --platform linux/amd64 -f rootfs.tar -t "$to" && crane validate --remote "$to"
	}
	mkdir -p /etc/nginx /etc/haproxy /var/lib/nginx /run/log
	cp registry.example.com.crt /etc/nginx/registry.crt
	cp registry.example.com.key /etc/nginx/registry.key
	(echo "daemon off; pid $PWD/nginx.pid; error_log $PWD/nginx.log; events {} http { access_log off;"; on_page nginx; echo "}") >nginx.conf
	nginx -c "$PWD/nginx.conf" &
	server=$!
	pushes nginx:1
	if command -v haproxy >/dev/null; then
		kill "$server" && wait "$server"
		cat registry.example.com.crt registry.example.com.key >/etc/haproxy/registry.pem
		on_page haproxy >haproxy.cfg
		haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
		pushes haproxy:1
	else
		echo "WITHOUT haproxy: its configuration is not tried" >&2
	fi
}

# two has the blocks of a page run on machines of their own, one after the other: 192.0.2.10, and 192.0.2.11.
two() {
	local i pid
	awk -v to="$commands" '/^next_machine$/ { n++; next } { print >to "." n + 1 }' "$commands"
	ip link add name net0 type bridge && ip link set net0 up
	for i in 1 2; do
		mkdir "machine$i" && mkfifo "machine$i/network" "machine$i/end"
		(cd "machine$i" && exec unshare --net --mount bash "$self" "$registry" "$crane" "$repository" "machine $i" "$commands.$i") &
		pid=$!
		until_ok [ -e "machine$i/there" ]
		ip link add "port$i" type veth peer name eth0 netns "$pid"
		ip link set "port$i" master net0 up
		echo >"machine$i/network"
		until [ -e "machine$i/done" ]; do # or it has ended, and said why
			kill -0 "$pid" || return 1
			sleep 0.1
		done
	done
}

# machine N: what apt, systemctl and scp do here, which has no systemd. testdata/deploy/machines.sh has all of them.
machine() {
	touch there && read -r _ <network
	ip link set eth0 up && ip addr add "192.0.2.$((9 + $1))/24" dev eth0
	rm /usr/bin/registry && cp "$registry" /usr/bin/registry
	apt() {
		install -D -m 0644 "$repository/deploy/package/config.yml" /etc/registry/config.yml
		install -m 0644 "$repository/deploy/package/registry.service" /usr/lib/systemd/system/registry.service
		DPKG_MAINTSCRIPT_PACKAGE=distribution-ipfs sh "$repository/deploy/package/deb/postinst" configure ""
		chown registry:registry /var/lib/registry && chmod 0700 /var/lib/registry
	}
	systemctl() {
		runuser -u registry -- registry serve /etc/registry/config.yml >registry.log 2>&1 &
		until_ok is_ready /etc/registry/config.yml
	}
	scp() { cp "$home/../machine1/.disk${1#*:}" "$2"; }
}

trap 'status=$?; [ $status = 0 ] || tail -n 5 ./*.log >&2 || true; exit $status' EXIT
if [ "$begins" = two ]; then
	two
	exit
fi
own_files
$begins
set -m # so that a job can be named
# shellcheck disable=SC1090
. "$commands"
if [ -e end ]; then # the other machine needs this one
	touch done && read -r _ <end
fi
