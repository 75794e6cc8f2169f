# A Kubernetes of one node, in a network namespace of its own, of Debian's containerd, runc and CNI plugins, and
# of what build.sh built. Sourced; needs root, and $work, a directory of its own, and $built, that of build.sh.
# Images come from `load_image` alone: nothing in it reaches the internet.
ns=kube-$$
node=10.85.0.1 bridge=10.86.0.1 dns=10.86.0.1
sock=$work/containerd.sock
declare -A pids
inside() { nsenter --net="/run/netns/$ns" "$@"; }
kubectl() { inside "$built/kube" kubectl --kubeconfig "$work/admin.conf" "$@"; }
helm() { inside "$built/helm" --kubeconfig "$work/admin.conf" "$@" 2> >(grep -v 'symbolic link' >&2); }
ctr() { command ctr --address "$sock" --namespace k8s.io "$@"; }
run() { # NAME COMMAND…: in the background, with a log
	local name=$1
	shift
	nsenter --net="/run/netns/$ns" "$@" >"$work/log/$name" 2>&1 & # no function: it would be a shell of its own
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
load_image() { ctr images import "$1" >/dev/null; } # an archive for docker
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
network() {
	ip netns add "$ns"
	inside ip link set lo up
	inside ip link add dev uplink type veth peer name nowhere
	inside ip addr add $node/24 dev uplink
	inside ip link set uplink up
	inside ip link set nowhere up
	inside ip route add default dev uplink # to services: they are addresses of nobody
	inside sysctl -qw net.ipv4.ip_forward=1
	inside ip link add dev cni0 type bridge # before a pod is: CoreDNS listens there
	inside ip addr add $bridge/16 dev cni0
	inside ip link set cni0 up
	mkdir -p "$work/cni"
	cat >"$work/cni/10-test.conflist" <<-END
		{"cniVersion": "1.0.0", "name": "test", "plugins": [
		 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
		  "ipam": {"type": "host-local", "dataDir": "$work/ipam", "ranges": [[{"subnet": "10.86.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		 {"type": "portmap", "capabilities": {"portMappings": true}}]}
	END
}
start_containerd() {
	mkdir -p "$work/etc/containerd/certs.d"
	cat >"$work/etc/containerd/config.toml" <<-END
		version = 2
		root = "$work/containerd"
		state = "$work/containerd-run"
		[grpc]
		  address = "$sock"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$work/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$work/cni"
		  [plugins."io.containerd.grpc.v1.cri".registry]
		    config_path = "$work/etc/containerd/certs.d"
	END
	run containerd containerd --config "$work/etc/containerd/config.toml"
	await 120 "containerd answers" ctr version
}
control_plane() {
	echo "secret,admin,admin,system:masters" >"$work/tokens.csv"
	openssl genrsa -out "$work/accounts.key" 2048 2>/dev/null
	cat >"$work/admin.conf" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: test, cluster: {server: "https://$node:6443", insecure-skip-tls-verify: true}}]
		users: [{name: admin, user: {token: secret}}]
		contexts: [{name: test, context: {cluster: test, user: admin}}]
		current-context: test
	END
	run etcd "$built/kube" etcd --data-dir "$work/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --log-level error --unsafe-no-fsync
	run apiserver "$built/kube" apiserver --etcd-servers=http://127.0.0.1:2379 --cert-dir="$work/certs" --advertise-address=$node --secure-port=6443 \
		--token-auth-file="$work/tokens.csv" --authorization-mode=RBAC --service-cluster-ip-range=10.87.0.0/16 \
		--service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$work/accounts.key" \
		--service-account-signing-key-file="$work/accounts.key" --kubelet-preferred-address-types=InternalIP \
		--feature-gates=PodTopologyLabelsAdmission=true --allow-privileged
	await 300 "the API server is ready" kubectl get --raw /readyz
	run manager "$built/kube" manager --kubeconfig="$work/admin.conf" --service-account-private-key-file="$work/accounts.key" \
		--root-ca-file="$work/certs/apiserver.crt" --use-service-account-credentials=false --leader-elect=false
	run scheduler "$built/kube" scheduler --kubeconfig="$work/admin.conf" --leader-elect=false
}
start_node() {
	mkdir -p "$work/kubelet"
	cat >"$work/kubelet.yaml" <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		clusterDNS: ["$dns"]
		clusterDomain: cluster.local
		resolvConf: ""
		containerRuntimeEndpoint: "unix://$sock"
		podLogsDir: "$work/pods"
		volumePluginDir: "$work/plugins"
		cgroupDriver: cgroupfs
		cgroupRoot: /$ns
		failCgroupV1: false
		oomScoreAdj: 0
		failSwapOn: false
		enforceNodeAllocatable: []
		localStorageCapacityIsolation: false
		evictionHard: {nodefs.available: "1Mi", imagefs.available: "1Mi", memory.available: "1Mi"}
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
	END
	local cgroup
	for cgroup in /sys/fs/cgroup/*/; do
		[ -e "$cgroup/cgroup.procs" ] || [ -e "$cgroup/tasks" ] || continue
		mkdir -p "$cgroup$ns"
		[ ! -e "$cgroup$ns/cpuset.cpus" ] || { cat "$cgroup/cpuset.cpus" >"$cgroup$ns/cpuset.cpus"; cat "$cgroup/cpuset.mems" >"$cgroup$ns/cpuset.mems"; }
	done
	run kubelet "$built/kube" kubelet --config="$work/kubelet.yaml" --kubeconfig="$work/admin.conf" --root-dir="$work/kubelet" \
		--cert-dir="$work/kubelet-certs" --hostname-override=one --node-ip=$node --node-labels=topology.kubernetes.io/zone=cellar
	cat >"$work/proxy.yaml" <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		clientConnection: {kubeconfig: "$work/admin.conf"}
		hostnameOverride: one
		mode: iptables
		clusterCIDR: 10.86.0.0/16
		iptables: {masqueradeAll: true}
		conntrack: {maxPerCore: 0, min: 0}
	END
	run proxy "$built/kube" proxy --config="$work/proxy.yaml"
	cat >"$work/Corefile" <<-END
		.:53 {
		  bind $dns
		  errors
		  kubernetes cluster.local {
		    endpoint https://$node:6443
		    kubeconfig $work/admin.conf
		    ttl 1
		  }
		}
	END
	run coredns "$built/coredns" -conf "$work/Corefile"
	await 300 "the node is ready" kubectl wait --for=condition=Ready node/one --timeout=1s
	await 120 "there is a service account" kubectl get serviceaccount default
}
cluster_up() {
	mkdir -p "$work/log"
	network
	pause_image
	start_containerd
	load_image "$work/pause.tar"
	control_plane
	start_node
}
# cluster_down leaves nothing of it, whatever state it is in.
cluster_down() {
	set +e
	local name id mount cgroup nets=
	for name in kubelet proxy coredns scheduler manager apiserver etcd; do
		[ -z "${pids[$name]:-}" ] || { kill "${pids[$name]}" 2>/dev/null; wait "${pids[$name]}" 2>/dev/null; }
	done
	if [ -S "$sock" ]; then
		for id in $(ctr tasks list --quiet 2>/dev/null); do ctr tasks delete --force "$id" >/dev/null 2>&1; done
		for id in $(ctr containers list --quiet 2>/dev/null); do
			nets+=" $(ctr containers info "$id" | grep -o 'netns/cni-[-0-9a-f]*' | cut -d/ -f2)"
			ctr containers delete "$id" >/dev/null 2>&1
		done
	fi
	[ -z "${pids[containerd]:-}" ] || { kill "${pids[containerd]}" 2>/dev/null; wait "${pids[containerd]}" 2>/dev/null; }
	awk -v at="$work/" 'index($2, at) == 1 {print $2}' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
	for cgroup in /sys/fs/cgroup/*/"$ns"; do
		[ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
	for name in $nets; do ip netns del "$name" 2>/dev/null; done
	ip netns del "$ns" 2>/dev/null
}
