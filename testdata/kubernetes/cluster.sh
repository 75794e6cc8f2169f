# A Kubernetes of two nodes, and a desk from which somebody uses it: three machines with a network and mounts of
# their own, on one disk. Of Debian's containerd, runc and CNI plugins, and of what build.sh built. Sourced; needs
# root, and $work, a directory of its own, and $built, that of build.sh. Images come from `load_image`, and from
# registry.example.org, which is on the desk: nothing in it reaches the internet.
ns=kube-$$
nodes=(one two)
declare -A address=([one]=10.85.0.1 [two]=10.85.0.2 [desk]=10.85.0.9) pods=([one]=10.86.0 [two]=10.88.0) zone=([one]=cellar [two]=attic)
dns=10.86.0.1 # the bridge of the first node
declare -A pids machines
at() { # MACHINE COMMAND…
	nsenter --target "${machines[$1]}" --net --mount --wdns="$PWD" -- "${@:2}"
}
inside() { at one "$@"; }
kubectl() { inside "$built/kube" kubectl --kubeconfig "$work/admin.conf" "$@"; }
helm() { inside "$built/helm" --kubeconfig "$work/admin.conf" "$@" 2> >(grep -v 'symbolic link' >&2); }
ctr() { # NODE ARGUMENT…
	command ctr --address "$work/$1/containerd.sock" --namespace k8s.io "${@:2}"
}
run() { # MACHINE NAME COMMAND…: in the background, with a log
	local machine=$1 name=$2
	shift 2
	nsenter --target "${machines[$machine]}" --net --mount --wdns="$PWD" -- "$@" >"$work/log/$name" 2>&1 & # no function: it would be a shell of its own
	pids[$name]=$!
}
await() { # SECONDS WHAT COMMAND…
	local seconds=$1 what=$2 end=$((SECONDS + $1))
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "never happened in $seconds s: $what" >&2; return 1; }
		sleep 0.3
	done
}
load_image() { # FILE NAME…: an archive for docker, and more names of its image
	local node name
	for node in "${nodes[@]}"; do
		name=$(ctr "$node" images import "$1" | sed -n 's/^unpacking \([^ ]*\) .*/\1/p')
		printf '%s\n' "${@:2}" | xargs -r -I{} ctr --address "$work/$node/containerd.sock" --namespace k8s.io images tag "$name" {} >/dev/null
	done
}
# pause_image makes an image of a program that does nothing until it is told to end.
pause_image() {
	local dir=$work/pause
	mkdir -p "$dir/root"
	cat >"$dir/main.go" <<'END'
package main

import ("os"; "os/signal"; "syscall")

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	<-c
}
END
	(cd "$dir" && CGO_ENABLED=0 "${GO:-go}" build -ldflags '-s -w' -o root/pause main.go)
	tar -C "$dir/root" -cf "$dir/layer.tar" pause
	echo '{"architecture":"'"$("${GO:-go}" env GOARCH)"'","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:'"$(sha256sum <"$dir/layer.tar" | cut -d' ' -f1)"'"]}}' >"$dir/config.json"
	echo '[{"Config":"config.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]' >"$dir/manifest.json"
	tar -C "$dir" -cf "$dir.tar" manifest.json config.json layer.tar
}
# machine NAME: has a network and mounts of its own, and is reached by the others at its address.
machine() {
	mkdir -p "$work/$1"
	unshare --net --mount sleep infinity &
	machines[$1]=$!
	await 10 "$1 has a network of its own" own_network "${machines[$1]}"
	ip -n "$ns" link add name "$1" type veth peer name eth0 netns "${machines[$1]}"
	ip -n "$ns" link set "$1" master net0 up
	at "$1" ip link set lo up
	at "$1" ip addr add "${address[$1]}/24" dev eth0
	at "$1" ip link set eth0 up
	at "$1" ip route add default dev eth0 # to services: they are addresses of nobody
	{ cat /etc/hosts && echo "${address[desk]} registry.example.org"; } >"$work/$1/hosts"
	at "$1" mount --bind "$work/$1/hosts" /etc/hosts
}
own_network() { [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]; }
network() {
	ip netns add "$ns"
	ip -n "$ns" link add name net0 type bridge
	ip -n "$ns" link set net0 up
	local name
	for name in "${!address[@]}"; do machine "$name"; done
	for name in "${nodes[@]}"; do node_network "$name"; done
	at one ip route add "${pods[two]}.0/24" via "${address[two]}"
	at two ip route add "${pods[one]}.0/24" via "${address[one]}"
}
node_network() { # NODE
	local dir=$work/$1
	at "$1" sysctl -qw net.ipv4.ip_forward=1
	at "$1" ip link add dev cni0 type bridge # before a pod is: CoreDNS listens there
	at "$1" ip addr add "${pods[$1]}.1/24" dev cni0
	at "$1" ip link set cni0 up
	mkdir -p "$dir/cni" "$dir/netns" "$dir/etc/containerd" "$dir/lib"
	at "$1" mkdir -p /run/netns
	at "$1" mount --bind "$dir/netns" /run/netns
	at "$1" mount --bind "$dir/etc/containerd" /etc/containerd
	at "$1" mount --bind "$dir/lib" /var/lib # of its pods: /var/lib/distribution-ipfs
	cat >"$dir/cni/10-test.conflist" <<-END
		{"cniVersion": "1.0.0", "name": "test", "plugins": [
		 {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
		  "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "${pods[$1]}.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		 {"type": "portmap", "capabilities": {"portMappings": true}}]}
	END
}
start_containerd() { # NODE
	local dir=$work/$1
	mkdir -p "$dir/etc/containerd/certs.d/registry.example.org"
	cat >"$dir/etc/containerd/certs.d/registry.example.org/hosts.toml" <<-END
		[host."https://registry.example.org"]
		  ca = "$work/desk/tls.crt"
	END
	cat >"$dir/etc/containerd/config.toml" <<-END
		version = 2
		root = "$dir/containerd"
		state = "$dir/containerd-run"
		[grpc]
		  address = "$dir/containerd.sock"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$dir/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$dir/cni"
		  [plugins."io.containerd.grpc.v1.cri".registry]
		    config_path = "/etc/containerd/certs.d"
	END
	run "$1" "containerd-$1" containerd --config "$dir/etc/containerd/config.toml"
	await 120 "containerd answers" ctr "$1" version
}
control_plane() {
	echo "secret,admin,admin,system:masters" >"$work/tokens.csv"
	openssl genrsa -out "$work/accounts.key" 2048 2>/dev/null
	cat >"$work/admin.conf" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: test, cluster: {server: "https://${address[one]}:6443", insecure-skip-tls-verify: true}}]
		users: [{name: admin, user: {token: secret}}]
		contexts: [{name: test, context: {cluster: test, user: admin}}]
		current-context: test
	END
	run one etcd "$built/kube" etcd --data-dir "$work/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --log-level error --unsafe-no-fsync
	run one apiserver "$built/kube" apiserver --etcd-servers=http://127.0.0.1:2379 --cert-dir="$work/certs" --advertise-address=${address[one]} --secure-port=6443 \
		--token-auth-file="$work/tokens.csv" --authorization-mode=RBAC --service-cluster-ip-range=10.87.0.0/16 \
		--service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$work/accounts.key" \
		--service-account-signing-key-file="$work/accounts.key" --kubelet-preferred-address-types=InternalIP \
		--feature-gates=PodTopologyLabelsAdmission=true --allow-privileged
	await 300 "the API server is ready" kubectl get --raw /readyz
	run one manager "$built/kube" manager --kubeconfig="$work/admin.conf" --service-account-private-key-file="$work/accounts.key" \
		--root-ca-file="$work/certs/apiserver.crt" --use-service-account-credentials=false --leader-elect=false
	run one scheduler "$built/kube" scheduler --kubeconfig="$work/admin.conf" --leader-elect=false
}
start_node() { # NODE
	local dir=$work/$1 cgroup
	mkdir -p "$dir/kubelet"
	cat >"$dir/kubelet.yaml" <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		clusterDNS: ["$dns"]
		clusterDomain: cluster.local
		resolvConf: ""
		containerRuntimeEndpoint: "unix://$dir/containerd.sock"
		podLogsDir: "$dir/pods"
		volumePluginDir: "$dir/plugins"
		cgroupDriver: cgroupfs
		cgroupRoot: /$ns-$1
		failCgroupV1: false
		oomScoreAdj: 0
		failSwapOn: false
		enforceNodeAllocatable: []
		localStorageCapacityIsolation: false
		evictionHard: {nodefs.available: "1Mi", imagefs.available: "1Mi", memory.available: "1Mi"}
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
	END
	for cgroup in /sys/fs/cgroup/*/; do
		[ -e "$cgroup/cgroup.procs" ] || [ -e "$cgroup/tasks" ] || continue
		mkdir -p "$cgroup$ns-$1"
		[ ! -e "$cgroup$ns-$1/cpuset.cpus" ] || { cat "$cgroup/cpuset.cpus" >"$cgroup$ns-$1/cpuset.cpus"; cat "$cgroup/cpuset.mems" >"$cgroup$ns-$1/cpuset.mems"; }
	done
	run "$1" "kubelet-$1" "$built/kube" kubelet --config="$dir/kubelet.yaml" --kubeconfig="$work/admin.conf" --root-dir="$dir/kubelet" \
		--cert-dir="$dir/kubelet-certs" --hostname-override="$1" --node-ip="${address[$1]}" --node-labels="topology.kubernetes.io/zone=${zone[$1]}"
	cat >"$dir/proxy.yaml" <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		clientConnection: {kubeconfig: "$work/admin.conf"}
		hostnameOverride: $1
		mode: iptables
		clusterCIDR: 10.86.0.0/14
		iptables: {masqueradeAll: true}
		conntrack: {maxPerCore: 0, min: 0}
	END
	run "$1" "proxy-$1" "$built/kube" proxy --config="$dir/proxy.yaml"
}
name_service() {
	cat >"$work/Corefile" <<-END
		.:53 {
		  bind $dns
		  errors
		  kubernetes cluster.local {
		    endpoint https://${address[one]}:6443
		    kubeconfig $work/admin.conf
		    ttl 1
		  }
		}
	END
	run one coredns "$built/coredns" -conf "$work/Corefile"
}
cluster_up() {
	local node
	mkdir -p "$work/log"
	network
	pause_image
	for node in "${nodes[@]}"; do start_containerd "$node"; done
	load_image "$work/pause.tar"
	control_plane
	for node in "${nodes[@]}"; do start_node "$node"; done
	name_service
	for node in "${nodes[@]}"; do await 300 "node $node is ready" kubectl wait --for=condition=Ready "node/$node" --timeout=1s; done
	await 120 "there is a service account" kubectl get serviceaccount default
}
# cluster_down leaves nothing of it, whatever state it is in. Mounts and networks end with the last process in them.
cluster_down() {
	set +e
	local name id node cgroup
	for name in docker registry; do end "$name"; done
	for node in "${nodes[@]}"; do end "kubelet-$node" "proxy-$node"; done
	end coredns scheduler manager apiserver etcd
	for node in "${nodes[@]}"; do
		if [ -S "$work/$node/containerd.sock" ]; then
			for id in $(ctr "$node" tasks list --quiet 2>/dev/null); do ctr "$node" tasks delete --force "$id" >/dev/null 2>&1; done
			for id in $(ctr "$node" containers list --quiet 2>/dev/null); do ctr "$node" containers delete "$id" >/dev/null 2>&1; done
		fi
		end "containerd-$node"
		for cgroup in /sys/fs/cgroup/*/"$ns-$node"; do
			[ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
		done
	done
	for id in "${machines[@]}"; do kill "$id"; wait "$id"; done 2>/dev/null
	ip netns del "$ns" 2>/dev/null
}
end() { # NAME…: of what runs
	local name
	for name; do
		[ -z "${pids[$name]:-}" ] || { kill "${pids[$name]}" 2>/dev/null; wait "${pids[$name]}" 2>/dev/null; }
	done
}
