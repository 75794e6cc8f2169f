package main_test

import (
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestMetricsTellTheSameStoryAsStatus compares every metric of the page that
// Prometheus reads with what `ipfs status` says: of a registry with one member here
// and one away, with a blob here and others elsewhere.
func TestMetricsTellTheSameStoryAsStatus(t *testing.T) {
	key := keygen(t)
	a, debug := newProcess(t, key), freeAddr(t)
	b, c := newProcess(t, key, a.bootstrap()), newProcess(t, key, a.bootstrap())
	b.Env = []string{"REGISTRY_HTTP_DEBUG_ADDR=" + debug, "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED=true"}
	for _, p := range []*process{a, b, c} {
		p.start()
	}
	push(t, a, "a:1")
	_, path := layer(t, a, mib)
	push(t, c, "a:2")
	await(t, "both are members by their data ports, and their changes are here", func() bool {
		members := b.status().Members
		for _, m := range members {
			if !m.DataPort || m.LastDelta == nil {
				return false
			}
		}
		return len(members) == 2
	})
	metricsPage(t, debug) // what is counted now must not be what is told later
	if _, status, err := body(b, path); status != http.StatusOK || err != nil {
		t.Fatal(status, err)
	}
	c.Kill()
	await(t, "one member is away and the map agrees", func() bool {
		s := b.status()
		return !s.Members[0].Connected != !s.Members[1].Connected && s.Map.Digest == a.status().Map.Digest
	})
	s, page := settled(t, b, debug)
	if s.Blobs.Here == 0 || s.Blobs.Missing == 0 || s.Transfers.DataIn < mib {
		t.Errorf("nothing to compare: %+v %+v", s.Blobs, s.Transfers)
	}
	want := expected(s)
	for series, value := range want {
		got, ok := page[series]
		if near := strings.HasPrefix(series, "registry_ipfs_disk_") || strings.Contains(series, "_member_free_"); !ok || !near && math.Abs(got-value) > 0.002 || near && math.Abs(got-value) > value/10 {
			t.Errorf("%s is %v (%v), and status says %v", series, got, ok, value)
		}
	}
	for series := range page {
		if strings.HasPrefix(series, "registry_ipfs_transfer_seconds_") || strings.HasPrefix(series, "registry_ipfs_transfer_first_byte_seconds_") {
			continue // `ipfs transfers` tells of each
		}
		if series == "registry_ipfs_time_seconds" {
			continue // it goes on
		}
		if _, ok := want[series]; !ok && !strings.HasPrefix(series, "registry_ipfs_http_") { // the registry's, not the driver's
			t.Errorf("status has nothing of %s", series)
		}
	}
}

// expected are the metrics that tell what status says.
func expected(s driver.Status) map[string]float64 {
	one := map[bool]float64{true: 1}
	want := map[string]float64{
		fmt.Sprintf(`info{commit=%q,date=%q,hash=%q,name=%q,network=%q,peer_id=%q,topic=%q,version=%q}`, s.Commit, s.BuildDate, s.Hash, s.Name, s.Network, s.PeerID, s.Topic, s.Version): 1,
		"ready":       one[len(s.NotReady) == 0],
		"map_entries": float64(s.Map.Entries), "map_heads": float64(s.Map.Heads), "read_only": one[s.ReadOnly],
		"blobs": float64(s.Blobs.Here), "blobs_missing": float64(s.Blobs.Missing), "blob_bytes": float64(s.Blobs.Bytes),
		"disk_free_bytes": float64(s.Disk.FreeBytes), "disk_total_bytes": float64(s.Disk.TotalBytes),
		"uploads_unfinished": float64(s.Uploads.Count), "upload_bytes": float64(s.Uploads.Bytes),
		"transfers_active": float64(s.Transfers.Active),
		"garbage_marked":   float64(s.Garbage.Marked), "blobs_unnamed": float64(s.Garbage.Unnamed),
		"garbage_waits_for_members": float64(len(s.Garbage.WaitsFor)), "garbage_deleted_total": float64(s.Garbage.Deleted),
		"garbage_removed_bytes_total":                     float64(s.Garbage.Removed.Bytes),
		`transfer_received_bytes_total{road="data_port"}`: float64(s.Transfers.DataIn),
		`transfer_received_bytes_total{road="libp2p"}`:    float64(s.Transfers.BytesIn - s.Transfers.DataIn),
		"transfer_sent_bytes_total":                       float64(s.Transfers.BytesOut),
		`members{state="connected"}`:                      0,
		`members{state="lost"}`:                           0,
		"members_trust_differs":                           0,
		"members_not_followed":                            0,
		`copies{state="kept"}`:                            float64(s.Copies.Kept),
		`copies{state="pending"}`:                         float64(s.Copies.Pending),
		`copies{state="failed"}`:                          float64(s.Copies.Failed),
		"kept_bytes":                                      float64(s.Copies.KeptBytes),
		"copies_held":                                     one[s.Copies.Hold != ""],
		"acknowledgements_waiting":                        float64(s.Acks.Waiting),
		`acknowledgements_total{result="given"}`:          float64(s.Acks.Given),
		`acknowledgements_total{result="refused"}`:        float64(s.Acks.Refused),
		"cache_blobs":                                     float64(s.Cache.Blobs),
		"cache_bytes":                                     float64(s.Cache.Bytes),
		"cache_evicted_blobs_total":                       float64(s.Cache.EvictedBlobs),
		"cache_evicted_bytes_total":                       float64(s.Cache.EvictedBytes),
		"cache_stuck":                                     one[s.Cache.Stuck != ""],
		"copies_full":                                     one[s.Copies.Full],
		"twin":                                            one[s.Twin != ""],
		"revoked":                                         one[s.Revoked != ""],
		"map_behind_seconds":                              0,
		"map_state_paths":                                 0,
		"map_history_changes":                             float64(s.Map.History.Kept),
		"map_history_compacted_changes":                   float64(s.Map.History.Compacted),
		"map_history_waits_for_members":                   float64(len(s.Map.History.WaitsFor)),
		"map_state_size_paths":                            0,
		"relayed_connections":                             0,
		"relayed_bytes_total":                             0,
		`map_states_total{what="given"}`:                  0,
		`map_states_total{what="taken"}`:                  0,
		`map_states_total{what="broken"}`:                 0,
		"draining":                                        one[s.Copies.Draining],
		"blobs_damaged":                                   float64(len(s.Blobs.Damaged)),
		"blobs_mended_total":                              float64(s.Blobs.Mended),
		"scrub_bytes_total":                               float64(s.Scrub.Bytes),
		"scrub_done_ratio":                                s.Scrub.Share,
		"scrub_stray_files":                               float64(s.Scrub.Strays),
		"scrub_damaged_tables":                            float64(len(s.Scrub.Tables)),
		`scrub_faults_total{fault="damaged"}`:             float64(s.Scrub.Damaged),
		`scrub_faults_total{fault="lost"}`:                float64(s.Scrub.Lost),
		`scrub_faults_total{fault="unrecorded"}`:          float64(s.Scrub.Recorded),
		`scrub_faults_total{fault="unreadable"}`:          float64(s.Scrub.Unread),
		`bootstrappers{state="met"}`:                      0,
		`bootstrappers{state="not_met"}`:                  0,
	}
	if at := s.Copies.Surveyed; at != nil {
		want["copies_surveyed_timestamp_seconds"] = float64(at.UnixMilli()) / 1000
		want["only_here_blobs"], want["only_here_bytes"] = float64(s.Copies.OnlyHere.Blobs), float64(s.Copies.OnlyHere.Bytes)
		want["under_replicated_blobs"], want["under_replicated_bytes"] = float64(s.Copies.UnderReplicated.Blobs), float64(s.Copies.UnderReplicated.Bytes)
	}
	for _, l := range s.Limits {
		for _, rank := range []string{"stranger", "connected", "member", "trusted"} {
			want[fmt.Sprintf("refused_total{rank=%q,what=%q}", rank, l.What)] = float64(l.Refused[rank])
		}
	}
	for result, n := range s.Transfers.Ended {
		want[fmt.Sprintf("transfers_total{result=%q}", result)] = float64(n)
	}
	for _, b := range s.Bootstrappers {
		want[`bootstrappers{state="met"}`] += one[b.Met]
		want[`bootstrappers{state="not_met"}`] += one[!b.Met]
	}
	for _, m := range s.Members {
		want[`members{state="connected"}`] += one[m.Connected]
		want[`members{state="lost"}`] += one[!m.Connected]
		want["members_trust_differs"] += one[m.TrustDiffers]
		want["members_not_followed"] += one[m.NotFollowed != nil]
		want[fmt.Sprintf(`member_connected{name=%q,peer_id=%q}`, m.Name, m.PeerID)] = one[m.Connected]
		want[fmt.Sprintf(`member_data_port{name=%q,peer_id=%q}`, m.Name, m.PeerID)] = one[m.DataPort]
		if m.Capacity != nil {
			want[fmt.Sprintf(`member_capacity_bytes{name=%q,peer_id=%q}`, m.Name, m.PeerID)] = float64(*m.Capacity)
			want[fmt.Sprintf(`member_free_bytes{name=%q,peer_id=%q}`, m.Name, m.PeerID)] = float64(*m.FreeBytes)
		}
		if m.LastDelta != nil {
			want[fmt.Sprintf(`member_last_change_timestamp_seconds{name=%q,peer_id=%q}`, m.Name, m.PeerID)] = float64(m.LastDelta.UnixMilli()) / 1000
		}
	}
	full := map[string]float64{}
	for series, value := range want {
		full["registry_ipfs_"+series] = value
	}
	return full
}

// settled is the status before and after a page, once both are the same.
func settled(t *testing.T, p *process, debug string) (s driver.Status, page map[string]float64) {
	t.Helper()
	await(t, "nothing changes any more", func() bool {
		s = p.status()
		page = series(t, metricsPage(t, debug))
		after := p.status()
		after.Disk, after.Blobs.CountedAt = s.Disk, s.Blobs.CountedAt
		return reflect.DeepEqual(s, after)
	})
	return s, page
}

// series reads our lines of a metrics page, in Prometheus's text format.
func series(t *testing.T, page string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "registry_ipfs_") {
			continue
		}
		line = strings.TrimSpace(line)
		end := strings.LastIndex(line, " ") // a label's value may have one, too
		name, text := line[:max(end, 0)], line[end+1:]
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		values[name] = value
	}
	return values
}
