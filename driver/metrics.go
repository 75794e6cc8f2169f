package driver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// Collector gives Prometheus the numbers of Status, as metrics registry_ipfs_*. Register it
// once; it reads the driver each time it is collected. Counting by walking over all paths
// takes at most a twentieth of the time. Members are the only label that may have many values, up
// to maxLabeled of them. docs/metrics.md has all metrics, as a test sees to.
func (d *Driver) Collector() prometheus.Collector { return collector{d.store, &labelNames{}} }

type collector struct {
	*store
	names *labelNames
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("registry_ipfs_"+name, help, labels, nil)
}

var (
	infoDesc        = desc("info", "Always 1; labels name this registry.", "peer_id", "name", "topic", "network", "version", "commit", "date", "hash")
	readyDesc       = desc("ready", "1 while this registry should be sent requests, 0 while /readyz says that it should not.")
	entriesDesc     = desc("map_entries", "Paths in the path map.")
	headsDesc       = desc("map_heads", "Deltas of the path map that nothing follows yet.")
	behindDesc      = desc("map_behind_seconds", "For how long this registry has lacked changes that a connected member has; 0 while it lacks none.")
	statesDesc      = desc("map_states_total", "States of the path map: given to members that join, taken from a member, or begun and ended early (broken).", "what")
	historyDesc     = desc("map_history_changes", "Changes of the path map that are here: those that not all known registries have merged, and the last keepchanges.")
	compactedDesc   = desc("map_history_compacted_changes", "Changes of the path map that were dropped, and of which only the names are here.")
	historyWaitDesc = desc("map_history_waits_for_members", "Members, or others that once wrote, for whom changes are kept that would be dropped otherwise.")
	takingDesc      = desc("map_state_paths", "Paths that came of a state which is on its way here; 0 while none is.")
	takingOfDesc    = desc("map_state_size_paths", "Paths in the member's map of which the state is on its way here; 0 while none is.")
	twinDesc        = desc("twin", "1 while another registry runs with this one's peer ID, so that both refuse pushes.")
	clockDesc       = desc("time_seconds", "The time by this registry's clock, in seconds since 1970.")
	membersDesc     = desc("members", "Known members of the swarm.", "state")
	bootstrapDesc   = desc("bootstrappers", "Bootstrappers, by whether they have been members since the start.", "state")
	trustDesc       = desc("members_trust_differs", "Members whose list of trusted peers is another one.")
	unfollowedDesc  = desc("members_not_followed", "Members with a change that this registry refuses, or of which it can take neither the history nor the state; and with it all that they wrote since.")
	memberUpDesc    = desc("member_connected", "1 while a member is connected, 0 while it is away.", "peer_id", "name")
	memberDataDesc  = desc("member_data_port", "1 while blobs are fetched from a member's data port, 0 while they are over libp2p.", "peer_id", "name")
	memberCapDesc   = desc("member_capacity_bytes", "What a member says that it keeps for others; absent while it has not said it.", "peer_id", "name")
	memberFreeDesc  = desc("member_free_bytes", "Bytes free on a member's disk, as it said last; absent while it has not said it.", "peer_id", "name")
	memberLastDesc  = desc("member_last_change_timestamp_seconds", "When the last change of a member arrived; absent when none did in this run.", "peer_id", "name")
	blobsDesc       = desc("blobs", "Blobs whose bytes are here whole.")
	missingDesc     = desc("blobs_missing", "Blobs that have a path and whose bytes are not here.")
	copiesDesc      = desc("copies", "Blobs that this registry is to keep for the swarm: kept, pending (not here yet), and failed (of these, not fetched when last tried).", "state")
	keptBytesDesc   = desc("kept_bytes", "Bytes of the blobs that this registry keeps for the swarm.")
	onlyHereDesc    = desc("only_here_blobs", "Blobs here that no other member that answers has, as the last survey found; absent before.")
	onlyBytesDesc   = desc("only_here_bytes", "Bytes of the blobs that are only here; likewise.")
	fewDesc         = desc("under_replicated_blobs", "Blobs here that are kept by fewer members that answer than are to keep them; likewise.")
	fewBytesDesc    = desc("under_replicated_bytes", "Bytes of these blobs; likewise.")
	surveyedDesc    = desc("copies_surveyed_timestamp_seconds", "When the last survey of copies ended; likewise.")
	copiesFullDesc  = desc("copies_full", "1 while copies that this registry is to keep have no room on its disk.")
	copiesHeldDesc  = desc("copies_held", "1 while blobs get no new keepers, because too many members are away, or one has not said how much it keeps.")
	ackWaitDesc     = desc("acknowledgements_waiting", "Pushes that wait until they are on as many disks as ackreplicas wants.")
	acksDesc        = desc("acknowledgements_total", "Pushes that waited for other disks: given, or refused with 503 because there were not enough in time.", "result")
	cacheDesc       = desc("cache_blobs", "Blobs here that this registry is not to keep for the swarm.")
	cacheBytesDesc  = desc("cache_bytes", "Bytes of the blobs here that this registry is not to keep for the swarm.")
	evictedDesc     = desc("cache_evicted_blobs_total", "Blobs that left the cache to make room.")
	evictBytesDesc  = desc("cache_evicted_bytes_total", "Bytes of the blobs that left the cache to make room.")
	cacheStuckDesc  = desc("cache_stuck", "1 while room is called for and nothing that is here can go.")
	damagedDesc     = desc("blobs_damaged", "Blobs whose file is damaged, or lost, and which nobody could mend yet.")
	mendedDesc      = desc("blobs_mended_total", "Damaged blobs that became whole again.")
	scrubBytesDesc  = desc("scrub_bytes_total", "Bytes of blobs that the scrub read.")
	scrubShareDesc  = desc("scrub_done_ratio", "How much of its present round the scrub has done, from 0 to 1.")
	scrubFaultDesc  = desc("scrub_faults_total", "Blobs with which the scrub found something wrong: damaged, lost (their file), unrecorded (whole, without a record), unreadable.", "fault")
	scrubStrayDesc  = desc("scrub_stray_files", "Files among the blobs that are none, as the scrub found last.")
	scrubTableDesc  = desc("scrub_damaged_tables", "Damaged files of metadata, as the scrub found last.")
	scrubEndedDesc  = desc("scrub_last_round_timestamp_seconds", "When the scrub had last read all blobs; absent when it never has.")
	drainingDesc    = desc("draining", "1 while this registry is being drained, to be switched off for good.")
	blobBytesDesc   = desc("blob_bytes", "Bytes of the blobs that are here.")
	diskFreeDesc    = desc("disk_free_bytes", "Bytes free for this registry's data.")
	diskTotalDesc   = desc("disk_total_bytes", "Size of the disk with this registry's data.")
	uploadsDesc     = desc("uploads_unfinished", "Uploads of clients that have not ended.")
	uploadBytesDesc = desc("upload_bytes", "Bytes of the disk that unfinished uploads take.")
	uploadOldDesc   = desc("upload_oldest_timestamp_seconds", "When the oldest unfinished upload began; absent when there is none.")
	markedDesc      = desc("garbage_marked", "Entries to which nothing refers, found by this registry, that wait for their grace.")
	unnamedDesc     = desc("blobs_unnamed", "Blobs on this disk that no entry names, as the last collection found.")
	waitsDesc       = desc("garbage_waits_for_members", "Members, or others that once wrote, that the last collection could not ask.")
	deletedDesc     = desc("garbage_deleted_total", "Manifests, layer links and blobs that this registry deleted because nothing refers to them.")
	removedDesc     = desc("garbage_removed_bytes_total", "Bytes of blobs removed from this disk because no entry names them.")
	transfersDesc   = desc("transfers_active", "Blobs on their way here, or streamed to a client because there is no room for them.")
	transferEndDesc = desc("transfers_total", "Transfers of blobs to this registry that ended, by their result.", "result")
	transferInDesc  = desc("transfer_received_bytes_total", "Bytes of blobs received from members, by the road they came: their data port, or libp2p.", "road")
	transferOutDesc = desc("transfer_sent_bytes_total", "Bytes of blobs sent to members.")
	transferSecDesc = desc("transfer_seconds", "How long transfers of blobs to this registry took, by their result.", "result")
	relayedDesc     = desc("relayed_connections", "Connections between two other members that pass over this registry, since these cannot reach each other.")
	relayBytesDesc  = desc("relayed_bytes_total", "Bytes passed on between members that cannot reach each other.")
	firstByteDesc   = desc("transfer_first_byte_seconds", "How long it took until the first byte of a blob came, by how its transfer ended.", "result")
	revokedDesc     = desc("revoked", "1 when this registry knows that it was revoked: the others refuse it for good.")
	readOnlyDesc    = desc("read_only", "1 when this registry is outside its own list of trusted peers.")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	built := build.Read()
	gauge(infoDesc, 1, c.engine.Self(), c.engine.Name(), c.engine.Topic(), c.engine.Network(), built.Version, built.Commit, built.Date, c.blobs.Function().String())
	gauge(readyDesc, oneIf(len(c.engine.Ready()) == 0))
	view := c.paths.View()
	gauge(entriesDesc, float64(view.Len()))
	gauge(headsDesc, float64(len(c.paths.Heads())))
	gauge(behindDesc, c.behindSeconds())
	c.collectStates(ch)
	gauge(twinDesc, oneIf(c.engine.Twinned() != ""))
	gauge(clockDesc, float64(time.Now().UnixMilli())/1000)
	here, bytes := c.blobs.Usage()
	gauge(blobsDesc, float64(here))
	gauge(blobBytesDesc, float64(bytes))
	gauge(damagedDesc, float64(len(c.blobs.Rotten())))
	ch <- prometheus.MustNewConstMetric(mendedDesc, prometheus.CounterValue, float64(c.blobs.Mended()))
	c.collectScrub(ch)
	counts, _ := c.blobCounts(view)
	gauge(missingDesc, float64(counts.missing))
	copies := c.copiesStatus(counts)
	gauge(copiesDesc, float64(copies.Kept), "kept")
	gauge(copiesDesc, float64(copies.Pending), "pending")
	gauge(copiesDesc, float64(copies.Failed), "failed")
	gauge(keptBytesDesc, float64(copies.KeptBytes))
	collectSurvey(gauge, copies)
	gauge(copiesFullDesc, oneIf(copies.Full))
	gauge(copiesHeldDesc, oneIf(copies.Hold != ""))
	c.collectCache(ch, c.cacheStatus(counts))
	gauge(drainingDesc, oneIf(copies.Draining))
	c.collectAcks(ch)
	collectLimits(ch, c.limitStatus())
	free, total := c.engine.DiskSpace()
	gauge(diskFreeDesc, float64(free))
	gauge(diskTotalDesc, float64(total))
	uploads := c.engine.Uploads.Unfinished()
	gauge(uploadsDesc, float64(uploads.Count))
	gauge(uploadBytesDesc, float64(uploads.Bytes))
	if uploads.Oldest != nil {
		gauge(uploadOldDesc, float64(uploads.Oldest.UnixMilli())/1000)
	}
	garbage := c.engine.Garbage.State()
	gauge(markedDesc, float64(garbage.Marked))
	gauge(unnamedDesc, float64(garbage.Unnamed))
	gauge(waitsDesc, float64(len(garbage.WaitsFor)))
	ch <- prometheus.MustNewConstMetric(deletedDesc, prometheus.CounterValue, float64(garbage.Deleted))
	ch <- prometheus.MustNewConstMetric(removedDesc, prometheus.CounterValue, float64(garbage.Removed.Bytes))
	gauge(revokedDesc, oneIf(c.engine.WasRevoked() != ""))
	gauge(readOnlyDesc, oneIf(c.engine.ReadOnly()))
	gauge(transfersDesc, float64(c.transfers.Active()))
	c.collectMembers(gauge)
	for result, n := range c.transfers.Ended() {
		ch <- prometheus.MustNewConstMetric(transferEndDesc, prometheus.CounterValue, float64(n), string(result))
	}
	c.collectSpreads(ch)
	c.collectBytes(ch)
}

// collectBytes tells what came from members, went to them, and was passed on between them.
func (c collector) collectBytes(ch chan<- prometheus.Metric) {
	in, out := c.transfers.Totals()
	data := c.transfers.DataIn()
	ch <- prometheus.MustNewConstMetric(transferInDesc, prometheus.CounterValue, float64(data), "data_port")
	ch <- prometheus.MustNewConstMetric(transferInDesc, prometheus.CounterValue, float64(max(0, in-data)), "libp2p")
	ch <- prometheus.MustNewConstMetric(transferOutDesc, prometheus.CounterValue, float64(out))
	circuits, passed := c.engine.RelayedHere()
	ch <- prometheus.MustNewConstMetric(relayedDesc, prometheus.GaugeValue, float64(circuits))
	ch <- prometheus.MustNewConstMetric(relayBytesDesc, prometheus.CounterValue, float64(passed))
}

func (c collector) collectStates(ch chan<- prometheus.Metric) {
	now, _ := c.paths.Taking()
	ch <- prometheus.MustNewConstMetric(takingDesc, prometheus.GaugeValue, float64(now.Paths))
	ch <- prometheus.MustNewConstMetric(takingOfDesc, prometheus.GaugeValue, float64(now.Of))
	all := c.paths.States()
	h := c.paths.History()
	for d, n := range map[*prometheus.Desc]int{historyDesc: h.Kept, compactedDesc: h.Compacted, historyWaitDesc: len(h.Waits)} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	for what, n := range map[string]int{"given": all.Given, "taken": all.Taken, "broken": all.Broken} {
		ch <- prometheus.MustNewConstMetric(statesDesc, prometheus.CounterValue, float64(n), what)
	}
}

// behindSeconds is for how long this registry has lacked changes that members have.
func (c collector) behindSeconds() float64 {
	since, ok := c.paths.BehindSince()
	if !ok {
		return 0
	}
	return time.Since(since).Seconds()
}

// collectSpreads tells how long transfers took that are over.
func (c collector) collectSpreads(ch chan<- prometheus.Metric) {
	took, first := c.transfers.Spreads()
	for d, all := range map[*prometheus.Desc]map[story.Result]story.Spread{transferSecDesc: took, firstByteDesc: first} {
		for result, s := range all {
			buckets := map[float64]uint64{}
			for i, bound := range story.Bounds {
				buckets[bound.Seconds()] = s.Upto[i]
			}
			ch <- prometheus.MustNewConstHistogram(d, s.Count, s.Sum.Seconds(), buckets, string(result))
		}
	}
}

func (c collector) collectAcks(ch chan<- prometheus.Metric) {
	a := c.engine.Acks.State()
	ch <- prometheus.MustNewConstMetric(ackWaitDesc, prometheus.GaugeValue, float64(a.Waiting))
	ch <- prometheus.MustNewConstMetric(acksDesc, prometheus.CounterValue, float64(a.Given), "given")
	ch <- prometheus.MustNewConstMetric(acksDesc, prometheus.CounterValue, float64(a.Refused), "refused")
}

func collectSurvey(gauge func(d *prometheus.Desc, v float64, labels ...string), c CopiesStatus) {
	if c.Surveyed == nil {
		return
	}
	gauge(onlyHereDesc, float64(c.OnlyHere.Blobs))
	gauge(onlyBytesDesc, float64(c.OnlyHere.Bytes))
	gauge(fewDesc, float64(c.UnderReplicated.Blobs))
	gauge(fewBytesDesc, float64(c.UnderReplicated.Bytes))
	gauge(surveyedDesc, float64(c.Surveyed.UnixMilli())/1000)
}

func (c collector) collectScrub(ch chan<- prometheus.Metric) {
	now := c.engine.Scrub.State()
	if now.Interval == 0 {
		return
	}
	count := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, labels...)
	}
	count(scrubBytesDesc, float64(now.Bytes))
	for fault, n := range scrubFaults(now) {
		count(scrubFaultDesc, float64(n), fault)
	}
	ch <- prometheus.MustNewConstMetric(scrubShareDesc, prometheus.GaugeValue, now.Share)
	ch <- prometheus.MustNewConstMetric(scrubStrayDesc, prometheus.GaugeValue, float64(now.Strays))
	ch <- prometheus.MustNewConstMetric(scrubTableDesc, prometheus.GaugeValue, float64(len(now.Tables)))
	if now.Ended != nil {
		ch <- prometheus.MustNewConstMetric(scrubEndedDesc, prometheus.GaugeValue, float64(now.Ended.UnixMilli())/1000)
	}
}

func (c collector) collectCache(ch chan<- prometheus.Metric, s CacheStatus) {
	for d, v := range map[*prometheus.Desc]float64{cacheDesc: float64(s.Blobs), cacheBytesDesc: float64(s.Bytes), cacheStuckDesc: oneIf(s.Stuck != "")} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	ch <- prometheus.MustNewConstMetric(evictedDesc, prometheus.CounterValue, float64(s.EvictedBlobs))
	ch <- prometheus.MustNewConstMetric(evictBytesDesc, prometheus.CounterValue, float64(s.EvictedBytes))
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
