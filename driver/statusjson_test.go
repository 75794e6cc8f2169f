package driver_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheJSONOfAStatus is what programs read that watch a registry: it only grows.
func TestTheJSONOfAStatus(t *testing.T) {
	at := time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value any
		want  string
	}{
		{driver.Status{
			Bootstrappers: []driver.Bootstrapper{{}}, Members: []driver.Member{{LastDelta: &at, NotFollowed: &driver.NotFollowed{}}, {}},
			Transfers: driver.Transfers{Running: []driver.Transfer{{Sources: []driver.TransferSource{{}}}}},
			Blobs:     driver.BlobStatus{Damage: []driver.Damage{{}}},
			Garbage:   driver.GarbageStatus{WaitsFor: []driver.Unheard{{}}},
			Limits:    []driver.LimitStatus{{}},
			PeerLists: []driver.PeerList{{}},
			Map:       driver.MapStatus{Signatures: &driver.Signatures{}},
		}, `{"version":"","commit":"","build_date":"","not_ready":null,"started":"0001-01-01T00:00:00Z","peer_id":"","name":"","addresses":null,"data_addresses":null,` +
			`"topic":"","network":"","data_path":"","read_only":false,` +
			`"peer_lists":[{"key":"","path":"","all":false,"peers":0,"since":"0001-01-01T00:00:00Z","trouble":""}],"twin":"","revoked":"","protector_keys":null,"phase":"","hash":"","map":{"entries":0,"digest":"","heads":0,"behind_since":null,"taking":null,"history":{"kept":0,"compacted":0,"compacted_at":null,"waits_for":null,"waits_since":null,"held":""},"signatures":{"since":"0001-01-01T00:00:00Z","by":"","name":""}},` +
			`"bootstrappers":[{"peer_id":"","addresses":null,"met":false,"trouble":""}],` +
			`"members":[{"peer_id":"","name":"","addresses":null,"address":"","relay":"","connected":false,"data_port":false,"since":"0001-01-01T00:00:00Z",` +
			`"last_delta":"2026-11-27T13:00:00Z","trusted":false,"trust_differs":false,"not_followed":{"since":"0001-01-01T00:00:00Z","reason":""},"capabilities":null,"greeted":false,"zone":"","capacity":null,"free_bytes":null,"no_room":null,"draining":false,"drained":false,"confirmed":false,"version":"","data_addresses":null,"twin":false},` +
			`{"peer_id":"","name":"","addresses":null,"address":"","relay":"","connected":false,"data_port":false,"since":"0001-01-01T00:00:00Z",` +
			`"last_delta":null,"trusted":false,"trust_differs":false,"not_followed":null,"capabilities":null,"greeted":false,"zone":"","capacity":null,"free_bytes":null,"no_room":null,"draining":false,"drained":false,"confirmed":false,"version":"","data_addresses":null,"twin":false}],` +
			`"blobs":{"here":0,"missing":0,"bytes":0,"damaged":null,"damage":[{"cid":"","digest":"","size":0,"images":null,"more":false}],"mended":0,"counted_at":null},` +
			`"copies":{"replicas":"","kept":0,"kept_bytes":0,"pending":0,"failed":0,"full":false,"lacking":0,"hold":"","draining":false,"only_here":{"blobs":0,"bytes":0},"under_replicated":{"blobs":0,"bytes":0},"surveyed":null,"silent":0},` +
			`"cache":{"blobs":0,"bytes":0,"limit":null,"min_free":0,"evicted_blobs":0,"evicted_bytes":0,"stuck":""},"acknowledgements":{"replicas":0,"waiting":0,"given":0,"refused":0,"why":""},"disk":{"free_bytes":0,"total_bytes":0},"descriptors":{"open":0,"limit":0},"uploads":{"count":0,"bytes":0,"oldest":null},` +
			`"garbage":{"marked":0,"unnamed":0,"deleted":0,"removed":{"blobs":0,"bytes":0},"waits_for":[{"peer_id":"","name":"","reason":""}]},` +
			`"scrub":{"interval":0,"began":"0001-01-01T00:00:00Z","share":0,"ended":null,"blobs":0,"bytes":0,"damaged":0,"lost":0,"recorded":0,"unread":0,"strays":0,"tables":null},` +
			`"transfers":{"active":0,"bytes_in":0,"data_port_bytes_in":0,"bytes_out":0,"ended":null,` +
			`"running":[{"cid":"","size":0,"here":0,"since":"0001-01-01T00:00:00Z","waiting":0,"streamed":false,"sources":[{"peer_id":"","road":"","rate":0}]}]},` +
			`"limits":[{"what":"","total":0,"of_a_peer":0,"refused":null}],"capabilities":null}`},
		{driver.SwarmStatus{Members: []driver.SwarmMember{{Map: &driver.SwarmMap{}, LastError: &driver.SwarmTrouble{}}}},
			`{"members":[{"peer_id":"","name":"","self":false,"connected":false,"connected_to":null,"trouble":"","version":"","up_since":null,"ahead":null,"ahead_within":null,` +
				`"map":{"entries":0,"digest":"","state":"","behind":0,"at_least":false},"kept":null,"cache":null,"only_here":null,"only_here_images":null,"free_bytes":null,"no_room":null,"total_bytes":null,` +
				`"transfers":null,"rate_in":null,"rate_out":null,"last_error":{"at":"0001-01-01T00:00:00Z","text":""}}]}`},
		{driver.Reach{Members: []driver.MemberReach{{Addresses: []driver.DialedBack{{}}}}}, `{"members":[{"peer_id":"","name":"","data_port":"","asked":false,"trouble":"","seen":"",` +
			`"addresses":[{"address":"","data":false,"outcome":""}]}]}`},
		{driver.Identity{}, `{"peer_id":"","addresses":null}`},
		{driver.Verification{Findings: []driver.Finding{{}}}, `{"running":false,"image":"","blobs":0,"bytes":0,"elsewhere":0,` +
			`"findings":[{"cid":"","digest":"","size":0,"fault":"","bad_leaves":0,"leaves":0,"mended":false,"done":""}]}`},
		{driver.Collection{Unread: []driver.Unread{{}}}, `{"dry_run":false,"grace":0,` +
			`"looked":{"repositories":0,"manifests":0,"layers":0,"blobs":0,"bytes":0},"garbage":{"repositories":0,"manifests":0,"layers":0,"blobs":0,"bytes":0},` +
			`"deleted":{"repositories":0,"manifests":0,"layers":0,"blobs":0,"bytes":0},"removed":{"blobs":0,"bytes":0},` +
			`"unread":[{"path":"","reason":""}],"unreads":0,"left":0,"waits_for":null}`},
		{driver.CollectProgress{}, `{"phase":"","paths":0,"of":0,"manifests":0,"left":0}`},
		{driver.DrainState{Behind: []driver.DrainPeer{{}}, NoRoom: []driver.DrainPeer{{}}}, `{"draining":false,"done":false,"looked":0,"here":{"blobs":0,"bytes":0},` +
			`"left":{"blobs":0,"bytes":0},"only_here":{"blobs":0,"bytes":0},"keepers":0,"merged":0,"behind":[{"peer_id":"","name":""}],"no_room":[{"peer_id":"","name":""}],"warning":"","reason":"","unsaved":""}`},
		{driver.VerifyProgress{}, `{"blobs":0,"of":0,"bytes":0,"faults":0}`},
	} {
		if got, err := json.Marshal(c.value); err != nil || string(got) != c.want {
			t.Errorf("%T is %s %v, not %s", c.value, got, err, c.want)
		}
	}
}
