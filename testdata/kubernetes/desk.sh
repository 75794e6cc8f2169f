# A desk from which somebody uses the cluster: a checkout of the last commit, docker, helm, kubectl, the binary, and
# registry.example.org, a registry that the nodes can pull from. Sourced after cluster.sh; $image is an archive for
# docker of what runs in the cluster when somebody's own image is wanted.
desk_up() {
	local dir=$work/desk tool
	mkdir -p "$dir/bin" "$dir/registry"
	for tool in "helm helm" "kubectl kube kubectl"; do
		printf '#!/bin/sh\nexec %s "$@"\n' "$built/${tool#* }" >"$dir/bin/${tool%% *}"
	done
	ln -s "$work/build/linux-$arch/registry" "$dir/bin/registry"
	chmod +x "$dir"/bin/*
	git clone --quiet --no-local . "$dir/checkout"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.example.org -addext subjectAltName=DNS:registry.example.org \
		-keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
	cat >"$dir/registry.yml" <<-END
		version: 0.1
		storage: {filesystem: {rootdirectory: $dir/registry}}
		http: {addr: ":443", tls: {certificate: $dir/tls.crt, key: $dir/tls.key}}
	END
	run desk registry "$dir/bin/registry" serve "$dir/registry.yml"
	run desk docker dockerd --data-root "$dir/docker" --exec-root "$dir/exec" --host "unix://$dir/docker.sock" --pidfile "$dir/docker.pid" \
		--storage-driver vfs --bridge none --iptables=false --ip6tables=false
	await 60 "registry.example.org answers" at desk curl --fail --silent --cacert "$dir/tls.crt" https://registry.example.org/v2/
	await 60 "docker answers" on_desk docker version
	on_desk docker load --quiet --input "$image" >/dev/null
	for tool in app:1 alpine:3; do on_desk docker tag localhost/pause:1 $tool; done
}
on_desk() {
	at desk env --chdir="$work/desk/checkout" PATH="$work/desk/bin:$PATH" KUBECONFIG="$work/admin.conf" \
		DOCKER_HOST="unix://$work/desk/docker.sock" SSL_CERT_FILE="$work/desk/tls.crt" "$@"
}
# types PAGE HEADING: the commands of the first block under it, as they stand there. After a port is forwarded it waits
# until it is, as somebody does who sees kubectl say so.
types() {
	awk -v heading="## $2" '/^## / { at = $0 == heading } at && /^```console$/ { block++; on = 1; next } /^```/ { on = 0 }
		on && at && block == 1 { sub(/^[#$] /, ""); print }' "$1" |
		sed -E 's/^(kubectl port-forward .* ([0-9]+):[0-9]+) &$/\1 \&\nforwarded \2/' >"$work/desk/commands"
	[ -s "$work/desk/commands" ] || { echo "$1 has no commands under $2" >&2; return 1; }
	# shellcheck disable=SC2016 # the shell there has these
	on_desk timeout 600 bash -euxo pipefail -c 'trap "kill \$(jobs -p) 2>/dev/null || true" EXIT
forwarded() { timeout 60 bash -c "until : <>/dev/tcp/localhost/$1; do sleep 0.2; done" 2>/dev/null; }
. "$1"' bash "$work/desk/commands" </dev/null >"$work/log/typed" 2>&1 || {
		cat "$work/log/typed" >&2
		return 1
	}
	say "typed from $1, $2: $(wc -l <"$work/desk/commands") lines"
}
