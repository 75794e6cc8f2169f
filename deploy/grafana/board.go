package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// builder makes a dashboard of the schema that every release of Grafana imports: the SDK prefers
// its second version, which only those from 12 on do.
type builder = dashboard.DashboardBuilder //nolint:staticcheck // see above

// board is the dashboard: a row for each question that an operator asks.
func board() *builder {
	b := dashboard.NewDashboardBuilder( //nolint:staticcheck // see builder
		"Registries, shared peer to peer",
	).
		Uid("distribution-ipfs").
		Description("Registries of distribution-ipfs. What each metric tells, and what to do, is in docs/metrics.md; what is wrong says `registry ipfs doctor`.").
		Tags([]string{"registry", "ipfs"}).
		Readonly().Time("now-6h", "now").Refresh("30s").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("job").Label("Swarm (job)").
			Datasource(source()).Query(text("label_values(registry_ipfs_info, job)")).Refresh(dashboard.VariableRefreshOnDashboardLoad)).
		WithVariable(dashboard.NewQueryVariableBuilder("instance").Label("Registry").Multi(true).IncludeAll(true).AllValue(".+").
			Datasource(source()).Query(text(`label_values(registry_ipfs_info{job="$job"}, instance)`)).Refresh(dashboard.VariableRefreshOnDashboardLoad))
	working(b)
	changes(b)
	safe(b)
	slow(b)
	room(b)
	tooMuch(b)
	return b
}

func text(s string) dashboard.StringOrMap { return dashboard.StringOrMap{String: cog.ToPtr(s)} }

func working(b *builder) {
	b.WithRow(dashboard.NewRowBuilder("Is it working?")).
		WithPanel(number("Registries", "Those that Prometheus has an answer of.", "count("+of("registry_ipfs_info")+")")).
		WithPanel(bad("Not ready", "Load balancers should send them nothing; /readyz says why.", "sum(1 - "+of("registry_ipfs_ready")+")")).
		WithPanel(bad("Alerts", "Firing now; each says what to do.", `count(ALERTS{alertstate="firing",alertname=~"Registry.+",job="$job"}) or vector(0)`)).
		WithPanel(bad("Members away", "Members that some registry has lost: start them, or forget those that are gone for good.",
			"count(count by (peer_id) ("+of("registry_ipfs_member_connected")+" == 0)) or vector(0)")).
		WithPanel(bad("Data ports closed", "Members whose blobs come over libp2p, which is slower: open their port 4620.",
			"count(count by (peer_id) ("+of("registry_ipfs_member_data_port")+" == 0 and "+of("registry_ipfs_member_connected")+" == 1)) or vector(0)")).
		WithPanel(bad("There twice", "Registries with which another one shares its peer ID: both refuse pushes.", "sum("+of("registry_ipfs_twin")+")")).
		WithPanel(lines("Members connected", units.Short, "One line that falls is a registry that is cut off; all of them, one that is away.",
			each("registry_ipfs_members", `state="connected"`))).
		WithPanel(lines("Clock, against Prometheus's", units.Seconds, "Tokens and certificates are judged by the clock: have NTP set it.",
			query{named("abs(" + of("registry_ipfs_time_seconds") + " - timestamp(" + of("registry_ipfs_time_seconds") + "))"), registry})).
		WithPanel(lines("Requests of clients, by status", units.RequestsPerSecond, "503 says that bytes, disks or members are lacking; 429 that a client asks too much.",
			query{"sum by (code) (" + rate("registry_http_requests_total") + ")", "{{code}}"}))
}

func changes(b *builder) {
	b.WithRow(dashboard.NewRowBuilder("Does it see all that was pushed?")).
		WithPanel(lines("Behind", units.Seconds, "For how long a registry has lacked changes that a connected member has. Seconds are usual after a push.",
			each("registry_ipfs_map_behind_seconds"))).
		WithPanel(lines("Paths in the map", units.Short, "The same everywhere when nothing is being pushed.", each("registry_ipfs_map_entries"))).
		WithPanel(lines("Members not followed", units.Short, "Run the same release everywhere; take a registry that writes bad changes out of trustedpeers.",
			each("registry_ipfs_members_not_followed")))
}

func safe(b *builder) {
	b.WithRow(dashboard.NewRowBuilder("Is it safe? May I switch one off?")).
		WithPanel(lines("Only here", units.Short, "Blobs that are lost with the disk of that registry: do not switch it off.", each("registry_ipfs_only_here_blobs"))).
		WithPanel(lines("Too few copies", units.Short, "They are fetched by themselves while members are here and have room.", each("registry_ipfs_under_replicated_blobs"))).
		WithPanel(lines("Copies to come", units.Short, "Blobs that a registry is to keep, and has not yet; and those of them that could not be fetched.",
			query{named(of("registry_ipfs_copies", `state="pending"`)), registry},
			query{named(of("registry_ipfs_copies", `state="failed"`)), registry + " failed"})).
		WithPanel(lines("Damaged blobs", units.Short, "Nobody could mend them yet: push their images again, from anywhere.", each("registry_ipfs_blobs_damaged"))).
		WithPanel(lines("Faults that the scrub found in a day", units.Short, "A disk that loses bits: look at it, and replace it.",
			query{named("sum by (job, instance) (increase(" + of("registry_ipfs_scrub_faults_total") + "[1d]))"), registry})).
		WithPanel(lines("Pushes that waited for other disks", units.RequestsPerSecond, "Of ackreplicas; those refused were answered with 503.",
			query{"sum by (result) (" + rate("registry_ipfs_acknowledgements_total") + ")", "{{result}}"}))
}

func slow(b *builder) {
	quantile := func(q, metric string) string {
		return "histogram_quantile(" + q + ", sum by (le) (" + rate(metric+"_bucket", `result="whole"`) + "))"
	}
	b.WithRow(dashboard.NewRowBuilder("Why is a pull slow?")).
		WithPanel(lines("How long blobs take", units.Seconds, "To come from other registries. `registry ipfs trace` says what limits one.",
			query{quantile("0.5", "registry_ipfs_transfer_seconds"), "half"}, query{quantile("0.95", "registry_ipfs_transfer_seconds"), "95 of 100"})).
		WithPanel(lines("Until the first byte", units.Seconds, "Long: members are far away, or mute; `registry ipfs transfers` names them.",
			query{quantile("0.5", "registry_ipfs_transfer_first_byte_seconds"), "half"}, query{quantile("0.95", "registry_ipfs_transfer_first_byte_seconds"), "95 of 100"})).
		WithPanel(lines("How transfers ended", units.CountsPerSecond, "failed: its disk, or a wrong entry. unavailable: nobody who is here has the bytes.",
			query{"sum by (result) (" + rate("registry_ipfs_transfers_total") + ")", "{{result}}"})).
		WithPanel(lines("Received", units.BytesPerSecondIEC, "Much by libp2p: open port 4620 of the members.",
			query{"sum by (road) (" + rate("registry_ipfs_transfer_received_bytes_total") + ")", "{{road}}"})).
		WithPanel(lines("Sent", units.BytesPerSecondIEC, "To other registries.", query{named(rate("registry_ipfs_transfer_sent_bytes_total")), registry})).
		WithPanel(lines("Blobs under way", units.Short, "To each registry.", each("registry_ipfs_transfers_active")))
}

func room(b *builder) {
	b.WithRow(dashboard.NewRowBuilder("How much room is there?")).
		WithPanel(lines("Free", units.PercentUnit, "Of the disk. Below 5% add disk, or set minfree; with nothing but last copies pushes are refused.",
			query{named(of("registry_ipfs_disk_free_bytes") + " / " + of("registry_ipfs_disk_total_bytes")), registry})).
		WithPanel(lines("What is on the disks", units.BytesIEC, "Kept for the swarm; cache, which gives way; unfinished uploads.",
			query{"sum(" + of("registry_ipfs_kept_bytes") + ")", "kept"}, query{"sum(" + of("registry_ipfs_cache_bytes") + ")", "cache"},
			query{"sum(" + of("registry_ipfs_upload_bytes") + ")", "uploads"})).
		WithPanel(lines("What left the disks", units.BytesPerSecondIEC, "Garbage, and what was evicted from the cache.",
			query{"sum(" + rate("registry_ipfs_garbage_removed_bytes_total") + ")", "garbage"},
			query{"sum(" + rate("registry_ipfs_cache_evicted_bytes_total") + ")", "evicted"})).
		WithPanel(lines("Can make no room", units.Short, "1 while the cache is stuck, or copies have no room.",
			query{named(of("registry_ipfs_cache_stuck")), registry}, query{named(of("registry_ipfs_copies_full")), registry + " copies"})).
		WithPanel(lines("Garbage waits for", units.Short, "Members that could not be asked: bring them back, or forget them.", each("registry_ipfs_garbage_waits_for_members"))).
		WithPanel(lines("Unfinished uploads", units.Short, "They are removed after a day without a byte.", each("registry_ipfs_uploads_unfinished")))
}

func tooMuch(b *builder) {
	b.WithRow(dashboard.NewRowBuilder("Who takes too much?")).
		WithPanel(lines("Refused", units.CountsPerSecond, "What peers had too much of, by their rank. The log names them, and how to shut one out.",
			query{"topk(10, sum by (what, rank) (" + rate("registry_ipfs_refused_total") + "))", "{{what}}, {{rank}}"})).
		WithPanel(lines("Connections of clients", units.Short, "By whether a request is worked on or waited for.",
			query{"sum by (state) (" + of("registry_ipfs_http_connections") + ")", "{{state}}"})).
		WithPanel(lines("Connections closed", units.CountsPerSecond, "Because clients had too many: the log names an address.",
			query{"sum by (why) (" + rate("registry_ipfs_http_connections_closed_total") + ")", "{{why}}"})).
		WithPanel(lines("File descriptors", units.PercentUnit, "Open, of those there may be: set LimitNOFILE=65536.",
			query{named(of("process_open_fds") + " / " + of("process_max_fds")), registry})).
		WithPanel(lines("Memory", units.BytesIEC, "Of each process.", query{named(of("process_resident_memory_bytes")), registry})).
		WithPanel(lines("Processors", units.Short, "That each process uses.", query{named(rate("process_cpu_seconds_total")), registry}))
}
