#!/usr/bin/env bash
# Has Debian's Prometheus scrape three real registries, and evaluates every expression of the alerts
# and of the dashboard; those of the dashboard must give data. Before that, promtool tests the alerts.
#
#   run.sh <registry binary>
set -euo pipefail
. "$(dirname "$0")/../registries.sh"
deploy=$(realpath "$(dirname "$0")/../../deploy")
finish() {
	local rc=$?
	end_processes
	if [ "$rc" != 0 ]; then tail -n 15 "$work"/*.log || true; fi
	rm -rf "$work"
	exit "$rc"
}
trap finish EXIT

(cd "$deploy/prometheus" && promtool check rules alerts.yml && promtool test rules tests/*.yml)

# serve NAME: starts a registry with metrics, which Prometheus is to scrape.
targets=()
serve() {
	local debug
	debug=127.0.0.1:$(free_port)
	REGISTRY_HTTP_DEBUG_ADDR=$debug REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED=true \
		"$registry" serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
	pids+=($!)
	targets+=("'$debug'")
}

# prometheus_of TARGETS: starts it and sets prometheus.
prometheus_of() {
	prometheus=127.0.0.1:$(free_port)
	cat >"$work/prometheus.yml" <<-END
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: ["$deploy/prometheus/alerts.yml"]
		scrape_configs: [{job_name: registry, static_configs: [{targets: [$1]}]}]
	END
	prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
		--web.listen-address="$prometheus" --log.level=warn >"$work/prometheus.log" 2>&1 &
	pids+=($!)
}

# query EXPRESSION: prints its samples, a line each; fails when it is an error.
query() {
	curl -sSG "http://$prometheus/api/v1/query" --data-urlencode "query=$1" >"$work/answer"
	jq -ec 'if .status == "success" then .data.result[] else error(.error) end' "$work/answer" || [ "$(jq -r .status "$work/answer")" = success ]
}
has_data() { [ -n "$(query "$1")" ]; }

# expressions_of_alerts: a line each.
expressions_of_alerts() { curl -sS "http://$prometheus/api/v1/rules" | jq -r '.data.groups[].rules[].query'; }

# expressions_of_dashboard: likewise, as Grafana asks them.
expressions_of_dashboard() {
	jq -r '.. | .expr? // empty' "$deploy/grafana/dashboard.json" |
		sed 's/\$job/registry/g; s/\$instance/.+/g; s/\$__rate_interval/1m/g'
}

# metrics_in: of the expressions that it reads, every metric that the registries serve.
metrics_in() { grep -oE '\b(registry_ipfs|registry_http|process)_[a-z_]+' | sort -u; }

# push SIZE, pull: a blob to the first registry, and from the second.
push() {
	head -c "$1" /dev/urandom >"$work/blob"
	digest=sha256:$(sha256sum "$work/blob" | cut -d' ' -f1)
	local location
	location=$(curl -sSi -X POST "http://$http_a/v2/a/blobs/uploads/" | tr -d '\r' | sed -n 's/^location: //Ip')
	curl -sSf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$work/blob" "$location&digest=$digest"
}
pull() { curl -sSf -o "$work/pulled" "http://$http_b/v2/a/blobs/$digest" && cmp "$work/blob" "$work/pulled"; }

start_three
prometheus_of "$(IFS=,; echo "${targets[*]}")"
push 3000000
until_ok 60 pull
until_ok 60 has_data 'count(up == 1) == 3'
until_ok 60 has_data 'count(registry_ipfs_member_connected == 1) == 6'

count=0
while IFS= read -r expression; do
	query "$expression" >/dev/null || { echo "FAIL $expression" >&2; exit 1; }
	count=$((count + 1))
done < <(expressions_of_alerts)
echo "ok   $count expressions of alerts"
count=0
while IFS= read -r expression; do
	until_ok 90 has_data "$expression" || { query "$expression"; echo "FAIL no data: $expression" >&2; exit 1; }
	count=$((count + 1))
done < <(expressions_of_dashboard)
[ "$count" -gt 20 ]
echo "ok   $count expressions of the dashboard give data"
for metric in $(expressions_of_alerts | metrics_in); do
	until_ok 90 has_data "count($metric) > 2 or $metric == 0" || { echo "FAIL no registry has $metric" >&2; exit 1; }
done
echo "ok   all of their metrics are served"

kill "${pids[0]}"
for alert in RegistryDown RegistryMemberAway; do
	until_ok 60 has_data "ALERTS{alertname=\"$alert\"}"
	echo "ok   $alert: $(query "ALERTS{alertname=\"$alert\"}" | head -n 1 | jq -c .metric)"
done
